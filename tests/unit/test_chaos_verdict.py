"""The verdict of a chaos run: each kind of wrong outcome is found, and a right one is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from broadcast.rules.states import BatchState
from tests.chaos.verdict import DELIVERIES, Leaf, judge

B = BatchState


def leaf(state: BatchState, *who: str, n: int = 1, doubted: bool = False) -> Leaf:
    return Leaf("one", "red", n, state, who, may_be_doubted=doubted)


def found(
    batches: Sequence[Leaf], got: Mapping[str, int], audience: Sequence[str] = ("a", "b")
) -> list[str]:
    """Return what is wrong with the only broadcast of an account whose followers *got* so much."""
    return [one.what for one in judge(batches, {"one": audience}, {"red": got})]


@pytest.mark.parametrize(
    ("state", "got"),
    [
        (B.ACCEPTED, {"a": 1, "b": 1}),
        (B.FINISHED, {"a": 1, "b": 1}),
        (B.REFUSED, {}),
        (B.CANCELLED, {}),
    ],
)
def test_batch_that_says_what_happened_is_right(state: BatchState, got: dict[str, int]) -> None:
    assert found([leaf(state, "a", "b")], got) == []


@pytest.mark.parametrize("got", [{}, {"a": 1, "b": 1}])
def test_doubt_with_a_reason_is_right_whether_it_was_sent_or_not(got: dict[str, int]) -> None:
    assert found([leaf(B.IN_DOUBT, "a", "b", doubted=True)], got) == []


def test_doubt_without_a_call_is_found() -> None:
    assert found([leaf(B.IN_DOUBT, "a", "b")], {}) == ["IN DOUBT WITHOUT A REASON"]


@pytest.mark.parametrize("state", [B.ACCEPTED, B.FINISHED, B.IN_DOUBT])
def test_follower_who_got_it_twice_is_found(state: BatchState) -> None:
    one = leaf(state, "a", "b", doubted=True)
    assert found([one], {"a": 1, "b": 2}) == [f"DOUBLED ({state})"]


@pytest.mark.parametrize("state", [B.ACCEPTED, B.FINISHED])
def test_follower_who_never_got_it_is_found(state: BatchState) -> None:
    assert found([leaf(state, "a", "b")], {"a": 1}) == [f"LOST ({state})"]


@pytest.mark.parametrize("state", [B.REFUSED, B.CANCELLED])
def test_batch_that_was_sent_and_is_called_not_sent_is_found(state: BatchState) -> None:
    assert found([leaf(state, "a", "b")], {"b": 1}) == [f"SENT, BUT CALLED {state} ({state})"]


@pytest.mark.parametrize("state", sorted(set(B) - set(DELIVERIES) - {B.SPLIT}))
def test_batch_that_is_not_at_rest_is_found(state: BatchState) -> None:
    assert found([leaf(state, "a", "b")], {}) == [f"still {state}"]


def test_stranger_who_got_something_is_found() -> None:
    got = {"a": 1, "b": 1, "stranger": 1}
    assert found([leaf(B.ACCEPTED, "a", "b")], got) == ["sent to somebody who is in no audience"]


def test_follower_in_two_batches_is_found() -> None:
    batches = [leaf(B.ACCEPTED, "a", "b"), leaf(B.CANCELLED, "b", n=2)]
    told = found(batches, {"a": 1, "b": 1})
    assert told == [
        "SENT, BUT CALLED cancelled (cancelled)",
        "in two batches, or of nobody's audience",
    ]


def test_follower_in_no_batch_is_found() -> None:
    assert found([leaf(B.ACCEPTED, "a")], {"a": 1}) == ["in no batch"]


def test_follower_whom_a_list_of_wechats_own_did_not_reach_is_found() -> None:
    left = {"a": 1, "b": 1, "stranger": -1}
    [told] = found([leaf(B.ACCEPTED, "a", "b")], left)
    assert told == "got nothing by a job of WeChat's own list"


def test_finding_names_the_batch_and_its_followers() -> None:
    [one] = judge([leaf(B.ACCEPTED, "a", "b", n=7)], {"one": ["a", "b"]}, {"red": {"b": 1}})
    assert (one.broadcast_id, one.batch, one.openids) == ("one", 7, ["a"])
