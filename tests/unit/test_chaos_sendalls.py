"""The verdict of a chaos run on sends to WeChat's own lists: each wrong outcome is found."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from broadcast.rules.states import BatchState
from tests.chaos import sendalls
from tests.chaos.sendalls import Job
from tests.chaos.verdict import DELIVERIES, Leaf, judge

B = BatchState
MEMBERS = ("a", "b")
TAKEN = Job("red", "key", len(MEMBERS))


def call(state: BatchState, *, doubted: bool = True, key: str = "key") -> Leaf:
    return Leaf("one", "red", 1, state, (), doubted, key)


def found(batches: Sequence[Leaf], jobs: Sequence[Job]) -> list[str]:
    """Return what is wrong with the only broadcast of an account, which is to two followers."""
    return [one.what for one in sendalls.judge(batches, jobs, {"one": MEMBERS})]


@pytest.mark.parametrize(
    ("state", "jobs"),
    [
        (B.ACCEPTED, [TAKEN]),
        (B.FINISHED, [TAKEN]),
        (B.REFUSED, []),
        (B.CANCELLED, []),
        (B.IN_DOUBT, []),
        (B.IN_DOUBT, [TAKEN]),
    ],
)
def test_send_that_says_what_happened_is_right(state: BatchState, jobs: Sequence[Job]) -> None:
    assert found([call(state)], jobs) == []


@pytest.mark.parametrize("state", [B.ACCEPTED, B.FINISHED])
@pytest.mark.parametrize(
    "jobs", [[], [Job("blue", "key", len(MEMBERS))]], ids=["nobody's", "another account's"]
)
def test_send_that_was_lost_is_found(state: BatchState, jobs: Sequence[Job]) -> None:
    assert f"LOST ({state})" in found([call(state)], jobs)


@pytest.mark.parametrize("state", [B.ACCEPTED, B.FINISHED, B.IN_DOUBT])
def test_send_that_was_taken_twice_is_found(state: BatchState) -> None:
    assert found([call(state)], [TAKEN, TAKEN]) == [f"DOUBLED ({state})"]


@pytest.mark.parametrize("state", [B.REFUSED, B.CANCELLED])
def test_send_that_was_taken_and_is_called_not_sent_is_found(state: BatchState) -> None:
    assert found([call(state)], [TAKEN]) == [f"SENT, BUT CALLED {state} ({state})"]


@pytest.mark.parametrize("state", sorted(set(B) - set(DELIVERIES)))
def test_send_that_is_not_at_rest_is_found(state: BatchState) -> None:
    assert found([call(state)], []) == [f"still {state}"]


def test_send_in_doubt_without_a_reason_is_found() -> None:
    assert found([call(B.IN_DOUBT, doubted=False)], []) == ["IN DOUBT WITHOUT A REASON"]


def test_send_that_reached_another_list_is_found() -> None:
    assert found([call(B.ACCEPTED)], [Job("red", "key", 3)]) == ["REACHED OTHERS (accepted)"]


def test_send_under_a_second_key_is_found() -> None:
    [told] = found([call(B.ACCEPTED)], [TAKEN, Job("red", "another", 2)])
    assert told.startswith("a job that no batch has asked for")


def test_broadcast_without_a_call_is_found() -> None:
    assert found([], []) == ["0 calls to a list of WeChat's own"]


def test_what_a_job_brought_is_taken_off_once_for_each_job() -> None:
    delivered = {"red": {"a": 3, "b": 2, "c": 1}}
    for jobs, left in (
        ([TAKEN], {"a": 2, "b": 1, "c": 1}),
        ([TAKEN, TAKEN], {"a": 1, "b": 0, "c": 1}),
    ):
        batches = [call(B.ACCEPTED)]
        assert sendalls.taken_off(delivered, batches, jobs, members={"one": MEMBERS}) == {
            "red": left
        }


def test_follower_of_a_list_is_held_against_what_came_beside_wechats_own() -> None:
    batches = [call(B.ACCEPTED), Leaf("two", "red", 1, B.ACCEPTED, ("b", "c"))]

    def told(**got: int) -> list[str]:
        left = sendalls.taken_off({"red": got}, batches, [TAKEN], members={"one": MEMBERS})
        return [one.what for one in judge(batches, {"two": ("b", "c")}, left)]

    assert told(a=1, b=2, c=1) == []
    assert told(a=1, b=3, c=1) == ["DOUBLED (accepted)"]
    assert told(a=1, b=1, c=1) == ["LOST (accepted)"]
    assert told(b=2, c=1) == ["got nothing by a job of WeChat's own list"]


def test_jobs_of_wechats_own_lists_are_read_from_the_simulators_list() -> None:
    common = {"appid": "wx1", "clientmsgid": "key", "eligible": 5, "errors": 2}
    listed = [common | {"kind": kind} for kind in ("send", "tag", "all")]
    assert sendalls.jobs_of(listed, {"red": "wx1"}) == [Job("red", "key", 3)] * 2
