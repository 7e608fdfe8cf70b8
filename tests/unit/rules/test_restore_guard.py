"""The restore guard: which database may make calls, by what is known of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.restore_guard import Sight, Trust, explains, judge, restore_point
from broadcast.rules.states import Reason

#: Noon in Shanghai.
NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
YESTERDAY = NOW - timedelta(hours=13)
MASS_SEND, SENDALL = SendPath


def sight(**facts: Any) -> Sight:
    """What is seen of a database that made 7 calls and is as it was, but for *facts*."""
    usual: dict[str, Any] = {
        "known_place": "here", "place": "here", "claims": 7, "counted": 7, "counts_others": True,
        "seen_at": NOW, "owed_since": None, "now": NOW,
    }  # fmt: skip
    return Sight(**{**usual, **facts})


def test_the_database_that_made_the_calls_goes_on() -> None:
    assert judge(sight()) is Trust.KNOWN


def test_a_claim_that_was_committed_and_not_counted_yet_is_no_restore() -> None:
    assert judge(sight(claims=8)) is Trust.KNOWN


def test_a_database_at_another_place_is_closed_whatever_redis_counts() -> None:
    for counted in (None, 7, 6):
        assert judge(sight(place="there", counted=counted)) is Reason.OTHER_PLACE


def test_a_place_that_the_server_does_not_say_is_no_other_place() -> None:
    assert judge(sight(place="")) is Trust.KNOWN


def test_a_database_that_knows_fewer_calls_than_redis_is_closed() -> None:
    assert judge(sight(claims=6)) is Reason.COUNTER_BEHIND
    assert judge(sight(known_place=None, claims=0, counted=1)) is Reason.COUNTER_BEHIND


def test_a_database_without_a_call_is_new_where_its_first_request_was_stored() -> None:
    for place in (None, "here"):
        new = sight(
            known_place=place, claims=0, counted=None, counts_others=False, seen_at=None,
            owed_since=YESTERDAY,
        )  # fmt: skip
        assert judge(new) is Trust.NEW


def test_a_new_account_of_a_known_database_is_new() -> None:
    assert judge(sight(claims=0, counted=None)) is Trust.NEW


@pytest.mark.parametrize(
    ("seen_at", "owed_since", "verdict"),
    [
        (NOW, YESTERDAY, Trust.COUNT_CALLS),
        (YESTERDAY, None, Trust.COUNT_CALLS),
        (YESTERDAY, NOW, Trust.COUNT_CALLS),
        (YESTERDAY, YESTERDAY, Reason.REDIS_EMPTY),
        (None, YESTERDAY, Reason.REDIS_EMPTY),
    ],
)
def test_with_an_empty_redis_whatever_could_have_been_sent_before_today_closes_the_lanes(
    seen_at: datetime | None, owed_since: datetime | None, verdict: Trust | Reason
) -> None:
    empty = sight(counted=None, counts_others=False, seen_at=seen_at, owed_since=owed_since)

    assert judge(empty) is verdict


def test_redis_that_lost_one_account_is_as_empty_for_it() -> None:
    assert judge(sight(counted=None, owed_since=YESTERDAY)) is Trust.COUNT_CALLS


@pytest.mark.parametrize(
    ("used", "called", "is_explained"),
    [(0, 0, True), (2, 0, True), (3, 0, False), (103, 100, True), (104, 100, False), (5, 9, True)],
)
def test_wechat_may_count_one_in_a_hundred_and_two_more_than_the_ledger(
    used: int, called: int, is_explained: bool
) -> None:
    counts = {MASS_SEND: used}, {MASS_SEND: called}

    assert explains(*counts, shared_quota=False) is is_explained
    assert explains(*counts, shared_quota=True) is is_explained


def test_calls_of_one_interface_explain_none_of_the_other_unless_they_share() -> None:
    used, called = {MASS_SEND: 0, SENDALL: 9}, {MASS_SEND: 9}

    assert not explains(used, called, shared_quota=False)
    assert explains({MASS_SEND: 9, SENDALL: 9}, called, shared_quota=True)


def test_a_database_knows_what_was_sent_up_to_the_earlier_of_two_moments() -> None:
    assert restore_point(NOW, YESTERDAY) == YESTERDAY
    assert restore_point(YESTERDAY, NOW) == YESTERDAY
    assert restore_point(NOW, None) == NOW
