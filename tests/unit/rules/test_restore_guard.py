"""The restore guard: which database may make calls, by what is known of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.restore_guard import (
    Counts,
    DatabaseFacts,
    LaneFacts,
    Owed,
    Trust,
    Verdict,
    explains,
    judge,
    restore_point,
)
from broadcast.rules.states import Reason

#: Noon in Shanghai.
NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
YESTERDAY = NOW - timedelta(hours=13)
MASS_SEND, SENDALL = SendPath


def facts(**changed: Any) -> DatabaseFacts:
    """What a database says that made 7 calls and is as it was, but for what *changed*."""
    lane = {name: changed.pop(name) for name in ("claims", "seen_at") if name in changed}
    usual: dict[str, Any] = {
        "id": "one",
        "known_place": "here",
        "place": "here",
        "seen_at": NOW,
        "notes": 5,
        "is_closed": False,
        "now": NOW,
        "lanes": {"shop": LaneFacts(**{"claims": 7, "seen_at": NOW, **lane})},
        "forgotten": {},
    }
    return DatabaseFacts(**{**usual, **changed})


def judged(
    *,
    counted: int | None = 7,
    noted: int | None = 5,
    owed_since: datetime | None = None,
    **changed: Any,
) -> Verdict:
    counts = Counts(claims={} if counted is None else {"shop": counted}, notes=noted)
    return judge(facts(**changed), "shop", counts=counts, owed=Owed(since=owed_since))


def test_the_database_that_made_the_calls_goes_on() -> None:
    assert judged() is Trust.KNOWN


def test_a_claim_that_was_committed_and_not_counted_yet_is_no_restore() -> None:
    assert judged(claims=8) is Trust.KNOWN


def test_a_database_at_another_place_is_closed_whatever_redis_counts() -> None:
    for counted in (None, 7, 6):
        assert judged(place="there", counted=counted) is Reason.OTHER_PLACE


MADE = "mariadb 1 bc mariadb-0:3306"
MADE_ANEW = "mariadb 2 bc mariadb-0:3306"


def test_a_container_of_another_name_with_the_same_files_is_the_same_place() -> None:
    there = facts(known_place=MADE, place="mariadb 1 bc other:3307")

    assert not there.is_elsewhere
    assert there.has_new_place(Counts(claims={}))


@pytest.mark.parametrize(
    ("place", "counts", "is_same"),
    [
        (MADE_ANEW, Counts(claims={"shop": 7}, notes=5), True),
        (MADE_ANEW, Counts(claims={"shop": 7, "other": 0}, notes=5), True),
        (MADE_ANEW, Counts(claims={}), False),
        (MADE_ANEW, Counts(claims={"shop": 7}), False),
        (MADE_ANEW, Counts(claims={"shop": 6}, notes=5), False),
        (MADE_ANEW, Counts(claims={"shop": 8}, notes=5), False),
        (MADE_ANEW, Counts(claims={"shop": 7}, notes=4), False),
        (MADE_ANEW, Counts(claims={"shop": 7, "other": 1}, notes=5), False),
        ("mariadb 2 bc other:3306", Counts(claims={"shop": 7}, notes=5), False),
        ("mariadb 2 staging mariadb-0:3306", Counts(claims={"shop": 7}, notes=5), False),
        ("mariadb 1 staging mariadb-0:3306", Counts(claims={"shop": 7}, notes=5), False),
    ],
)
def test_a_table_that_was_made_anew_is_the_same_database_where_redis_counts_what_it_has(
    place: str, counts: Counts, *, is_same: bool
) -> None:
    there = facts(known_place=MADE, place=place)

    assert there.is_elsewhere
    assert there.has_new_place(counts) is is_same
    assert judge(there, "shop", counts=counts) is Reason.OTHER_PLACE


def test_a_place_that_is_not_known_is_no_other_place() -> None:
    assert judged(place="") is Trust.KNOWN
    assert judged(known_place=None) is Trust.KNOWN


def test_a_database_that_knows_fewer_calls_than_redis_is_closed() -> None:
    assert judged(claims=6) is Reason.COUNTER_BEHIND
    assert judged(known_place=None, claims=0, counted=1) is Reason.COUNTER_BEHIND


def test_a_database_that_knows_fewer_notes_of_workers_than_redis_is_closed_without_a_call() -> None:
    assert judged(notes=4) is Reason.WORK_FORGOTTEN
    assert judged(notes=4, claims=0, seen_at=None, counted=None) is Reason.WORK_FORGOTTEN


def test_a_note_that_was_committed_and_not_counted_is_no_restore() -> None:
    assert judged(notes=6) is Trust.KNOWN
    assert judged(noted=None) is Trust.KNOWN


def test_calls_of_an_account_without_a_lane_are_known_where_an_answer_stored_them() -> None:
    counts = Counts(claims={"other": 2, "shop": 7, "third": 1}, notes=5)

    assert list(facts().behind(counts)) == ["other", "third"]
    assert list(facts(forgotten={"other": 2}).behind(counts)) == ["third"]
    assert judge(facts(), "other", counts=counts) is Reason.COUNTER_BEHIND
    assert judge(facts(forgotten={"other": 2}), "other", counts=counts) is Trust.KNOWN


def test_a_lane_without_a_call_that_no_worker_ever_saw_is_new() -> None:
    assert judged(claims=0, counted=None, seen_at=None, owed_since=YESTERDAY) is Trust.NEW
    assert judged(lanes={}, counted=None) is Trust.NEW


@pytest.mark.parametrize(
    ("noted", "emptied_at", "seen_at", "owed_since", "verdict"),
    [
        # Redis is empty now, or was after that had been stored.
        (None, None, NOW, YESTERDAY, Trust.COUNT_CALLS),
        (None, None, YESTERDAY, YESTERDAY, Reason.REDIS_EMPTY),
        (5, NOW, NOW, YESTERDAY, Trust.COUNT_CALLS),
        (5, NOW, YESTERDAY, YESTERDAY, Reason.REDIS_EMPTY),
        # It owes nothing, or what was stored since.
        (None, None, NOW, None, Trust.NEW),
        (5, YESTERDAY, NOW, NOW, Trust.NEW),
    ],
)
def test_what_was_stored_before_redis_was_emptied_may_have_been_sent_of_a_lane_that_looks_new(
    noted: int | None,
    emptied_at: datetime | None,
    seen_at: datetime,
    owed_since: datetime | None,
    verdict: Verdict,
) -> None:
    for lanes in ({"shop": LaneFacts()}, {}):
        database = replace(facts(lanes=lanes, emptied_at=emptied_at), seen_at=seen_at)
        counts = Counts(claims={}, notes=noted)

        assert judge(database, "shop", counts=counts, owed=Owed(since=owed_since)) is verdict


def test_a_database_on_which_no_worker_was_at_work_yet_is_new_whatever_it_owes() -> None:
    changed = {"notes": 0, "lanes": {"shop": LaneFacts()}}

    assert judged(counted=None, noted=None, owed_since=YESTERDAY, **changed) is Trust.NEW


@pytest.mark.parametrize("claims", [0, 7])
@pytest.mark.parametrize(
    ("seen_at", "owed_since", "verdict"),
    [
        (NOW, YESTERDAY, Trust.COUNT_CALLS),
        (YESTERDAY, None, Trust.COUNT_CALLS),
        (YESTERDAY, NOW, Trust.COUNT_CALLS),
        (YESTERDAY, YESTERDAY, Reason.REDIS_EMPTY),
    ],
)
def test_with_an_empty_redis_whatever_could_have_been_sent_before_today_closes_the_lanes(
    claims: int, seen_at: datetime, owed_since: datetime | None, verdict: Verdict
) -> None:
    judgement = judged(counted=None, seen_at=seen_at, claims=claims, owed_since=owed_since)

    assert judgement is verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(119, Trust.COUNT_CALLS), (121, Reason.REDIS_EMPTY)]
)
def test_a_redis_that_starts_anew_at_midnight_closes_no_lane_that_was_at_work(
    seconds: int, verdict: Verdict
) -> None:
    just_past_midnight = NOW - timedelta(hours=12) + timedelta(seconds=1)
    seen_at = just_past_midnight - timedelta(seconds=seconds)

    judgement = judged(counted=None, now=just_past_midnight, seen_at=seen_at, owed_since=YESTERDAY)

    assert judgement is verdict


def test_calls_that_no_worker_ever_saw_are_of_no_day() -> None:
    assert judged(counted=None, seen_at=None, owed_since=YESTERDAY) is Reason.REDIS_EMPTY


def test_a_worker_that_knew_another_lane_knew_nothing_of_this_one() -> None:
    other = LaneFacts(claims=1, seen_at=NOW)
    mine = LaneFacts(claims=7, seen_at=YESTERDAY)
    lanes = {"other": other, "shop": mine}

    assert judged(counted=None, lanes=lanes, owed_since=YESTERDAY) is Reason.REDIS_EMPTY


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
