"""What becomes of a due time, and which moves a launch makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.errors import IllegalMoveError
from broadcast.rules.campaigns.launches import (
    LAUNCH_MOVES,
    MISSED_AFTER,
    DueTime,
    LaunchState,
    Missed,
    Overlap,
    Policy,
    Verdict,
    Why,
    brakes,
    check_move,
    decide,
)

DUE = datetime(2026, 12, 4, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ASK, SKIP = Policy(), Policy(missed=Missed.SKIP)
LATE = Policy(missed=Missed.LATE, late_by=15 * MINUTE)
BEGUN = Verdict(state=LaunchState.BEGUN)
HELD, SKIPPED = LaunchState.HELD, LaunchState.SKIPPED


def after(late: timedelta, **more: object) -> DueTime:
    return DueTime(due=DUE, now=DUE + late, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", [ASK, LATE, SKIP])
def test_within_a_minute_it_begins_whatever_the_policy_is(policy: Policy) -> None:
    for late in (timedelta(0), 59 * SECOND, MISSED_AFTER):
        assert decide(after(late), policy) == BEGUN


def test_a_missed_one_is_held_skipped_or_late() -> None:
    missed = MISSED_AFTER + SECOND

    assert decide(after(missed), ASK) == Verdict(state=HELD, why=Why.MISSED)
    assert decide(after(missed), SKIP) == Verdict(state=SKIPPED, why=Why.MISSED)
    assert decide(after(15 * MINUTE), LATE) == BEGUN
    assert decide(after(15 * MINUTE + SECOND), LATE) == Verdict(state=HELD, why=Why.TOO_LATE)


def test_of_several_missed_ones_only_the_newest_begins() -> None:
    older = after(2 * MINUTE, newest=False)

    assert decide(older, LATE) == Verdict(state=SKIPPED, why=Why.SUPERSEDED)
    assert decide(older, ASK) == Verdict(state=HELD, why=Why.MISSED)


def test_beside_a_run_that_is_not_at_rest_it_is_skipped_or_queued() -> None:
    beside = after(SECOND, last_is_open=True)

    assert decide(beside, ASK) == Verdict(state=SKIPPED, why=Why.OVERLAP)
    assert decide(beside, Policy(overlap=Overlap.QUEUE)) == Verdict(state=LaunchState.QUEUED)


@pytest.mark.parametrize("policy", [ASK, LATE, SKIP, Policy(overlap=Overlap.QUEUE)])
def test_up_to_the_answer_of_a_restored_database_all_are_held(policy: Policy) -> None:
    restored = Verdict(state=HELD, why=Why.RESTORED)
    for late in (SECOND, 2 * MINUTE):
        assert decide(after(late, answered_at=DUE, last_is_open=True), policy) == restored
        # A person who lets it go after the answer has decided.
        released = after(late, answered_at=DUE, released_at=DUE + late, by_person=True)
        assert decide(released, policy) == BEGUN
        # The end of the last run is nobody's word.
        queued = after(late, answered_at=DUE, released_at=DUE + late)
        assert decide(queued, policy) == restored
    assert decide(after(SECOND, answered_at=DUE - SECOND), policy) == BEGUN


@pytest.mark.parametrize("policy", [ASK, LATE, SKIP])
def test_what_a_person_let_go_counts_from_then_on_and_is_held_again_where_nobody_comes(
    policy: Policy,
) -> None:
    def released(late: timedelta) -> DueTime:
        at = DUE + timedelta(days=2)
        return DueTime(due=DUE, now=at + late, released_at=at, by_person=True, newest=False)

    assert decide(released(MINUTE), policy) == BEGUN
    assert decide(released(2 * MINUTE), policy) == Verdict(state=HELD, why=Why.MISSED)


def test_every_state_but_an_end_has_a_way_out_and_no_other_move_is_legal() -> None:
    ends = {LaunchState.SKIPPED}

    assert set(LAUNCH_MOVES) == set(LaunchState)
    assert {state for state, ways in LAUNCH_MOVES.items() if not ways} == ends
    check_move(LaunchState.HELD, LaunchState.BEGUN)
    for old, new in (("launched", "begun"), ("skipped", "begun"), ("queued", "launched")):
        with pytest.raises(IllegalMoveError):
            check_move(LaunchState(old), LaunchState(new))


@pytest.mark.parametrize(
    ("last", "size", "brake", "held"),
    [
        (1_000, 1_300, 30, False),
        (1_000, 1_301, 30, True),
        (1_000, 699, 30, True),
        (5_000, 2, 30, True),
        (2, 5_000, 30, True),
        (100, 10, 30, False),
        (10, 100, 30, False),
        (1_000, 5_000, 0, False),
        (None, 5_000, 30, False),
        (1_000, None, 30, False),
    ],
)
def test_an_audience_that_differs_more_than_the_brake_allows_is_held(
    *, last: int | None, size: int | None, brake: int, held: bool
) -> None:
    assert brakes(Policy(size_brake=brake), last=last, size=size) is held
