"""Who of a list is called for, and what is done where WeChat refuses one of fifty."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.errors import InputError
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.hand_calls import HandResult
from broadcast.wechat.api.tags import TagInfo
from entrypoints.cli.commands.tags import chosen_tag
from entrypoints.cli.tag_lookup import carry_out, is_lookup_cheaper, missing
from entrypoints.cli.wechat_calls import Called

NAMES = st.sets(st.text("ABCDEFGH", min_size=1, max_size=3))
BAD = HandResult(outcome=Outcome.BAD_RECIPIENTS, errcode=40003, errmsg="invalid openid")


@given(wanted=NAMES, present=NAMES)
def test_who_is_there_is_found_in_one_pass(wanted: set[str], present: set[str]) -> None:
    found = dict(missing(sorted(wanted), sorted(present)))

    assert found == {one: one in present for one in wanted}


@given(size=st.integers(0, 230), bad=st.sets(st.integers(0, 229), max_size=5))
def test_each_is_called_for_once_and_whom_wechat_refuses_is_found(size: int, bad: set[int]) -> None:
    everybody = [f"{number:03}" for number in range(size)]
    refused = {f"{number:03}" for number in bad if number < size}
    done: list[str] = []

    def call(some: Sequence[str]) -> Called:
        assert 1 <= len(some) <= 50
        if refused & set(some):
            return Called(BAD)
        done.extend(some)
        return Called(HandResult(outcome=Outcome.ACCEPTED))

    found = carry_out(everybody, call, most=50, tell=lambda _: None)

    assert sorted(done) == sorted(set(everybody) - refused)
    assert (found.done, found.left, found.ended) == (len(done), 0, None)
    assert {one for one, _ in found.refused} == refused


@pytest.mark.parametrize(
    "outcome",
    [Outcome.QUOTA_TODAY, Outcome.UNKNOWN, Outcome.NOT_CALLED, Outcome.STOP_BROADCAST],
)
def test_what_blames_nobody_ends_it_and_nobody_is_forgotten(outcome: Outcome) -> None:
    everybody = [f"{number:03}" for number in range(130)]
    calls: list[int] = []

    def call(some: Sequence[str]) -> Called:
        calls.append(len(some))
        ended = outcome if len(calls) > 1 else Outcome.ACCEPTED
        return Called(HandResult(outcome=ended))

    found = carry_out(everybody, call, most=50, tell=lambda _: None)

    assert calls == [50, 50]
    assert (found.done, found.left) == (50, 80)
    assert found.ended is not None


def test_who_has_the_tag_is_looked_up_only_where_that_takes_fewer_calls() -> None:
    assert is_lookup_cheaper(listed=1_000, tagged=0, most=50)
    assert not is_lookup_cheaper(listed=50, tagged=0, most=50)
    assert not is_lookup_cheaper(listed=1_000, tagged=5_000_000, most=50)
    assert not is_lookup_cheaper(listed=1_000, tagged=None, most=50)


def test_a_word_that_is_the_id_of_one_tag_and_the_name_of_another_is_refused() -> None:
    there = [TagInfo(id=100, name="VIP", count=1), TagInfo(id=101, name="100", count=2)]

    with pytest.raises(InputError) as told:
        chosen_tag(there, "100", account="shop")

    assert told.value.message_id == "error.tags.several"
    assert chosen_tag(there, "101", account="shop").id == 101
    assert chosen_tag(there, "VIP", account="shop").id == 100
    with pytest.raises(InputError) as none:
        chosen_tag([], "VIP", account="shop")
    assert none.value.message_id == "error.tags.none"
