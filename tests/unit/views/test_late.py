"""What was to be sent and was not is said to be held, not to be sent at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.lateness import FirstCallLimit, SignsOfLife
from broadcast.rules.reports import Ahead, Driven, Report
from broadcast.rules.states import BroadcastState, Phase, Reason
from broadcast.views import blocker_lines
from broadcast.views.words import Moment
from tests.unit.views.reports import EN, NOW, ZH, own, report

S = BroadcastState
MINUTE, LIMIT = timedelta(minutes=1), timedelta(minutes=15)


def driven(moved_at: Any = NOW - 3 * LIMIT, **signs: Any) -> Driven:
    return Driven(moved_at=moved_at, signs=SignsOfLife(**signs), ahead=Ahead())


def first_call(due: datetime) -> FirstCallLimit:
    return FirstCallLimit(
        due=due,
        attended=(),
        unattended_s=0,
        unattended_at=None,
        late_by_s=int(LIMIT.total_seconds()),
    )


def overdue(by: timedelta, **facts: Any) -> Report:
    """A broadcast that nobody launched *by* this long after its time."""
    due = NOW - by
    given: dict[str, Any] = {
        "gates": (own(GateKind.SCHEDULE, until=due),),
        "phase": Phase.PLANNING,
        "scheduled_at": due,
        "published_at": NOW - 3 * LIMIT,
        "driven": driven(),
        "first_call": first_call(due),
    }
    return report(S.PLANNING, **(given | facts))


@pytest.mark.parametrize(
    ("by", "wanted"),
    [(LIMIT, "blocker.overdue"), (LIMIT + MINUTE, "blocker.overdue_late")],
)
def test_what_is_past_the_limit_is_said_to_be_held_once_a_worker_runs(
    by: timedelta, wanted: str
) -> None:
    [line] = blocker_lines.blocker_lines(overdue(by))

    assert line.id == wanted
    assert ("at once" in EN(line)) == (wanted == "blocker.overdue")
    assert ("broadcast resume" in EN(line)) == (wanted != "blocker.overdue")
    assert ("resume" in ZH(line)) == (wanted != "blocker.overdue")


def test_one_without_a_time_is_late_after_it_was_stored() -> None:
    waits = report(
        S.WAITING,
        published_at=NOW - 2 * LIMIT,
        driven=driven(),
        first_call=first_call(NOW - 2 * LIMIT),
    )

    assert [line.id for line in blocker_lines.blocker_lines(waits)] == ["blocker.no_worker_late"]
    begun = replace(waits, started_at=NOW - LIMIT, first_call=None)
    assert [line.id for line in blocker_lines.blocker_lines(begun)] == ["blocker.no_worker"]


def test_a_first_call_that_was_made_is_never_late() -> None:
    late_by_far = overdue(2 * LIMIT)

    assert blocker_lines.will_be_held(late_by_far)
    assert not blocker_lines.will_be_held(replace(late_by_far, first_call=None))


def test_what_is_held_for_its_time_names_the_time_and_the_limit() -> None:
    due = NOW - timedelta(hours=2)
    hold = (own(GateKind.HOLD, reason=Reason.MISSED_TIME),)

    [timed] = blocker_lines.blocker_lines(report(S.HELD, gates=hold, scheduled_at=due))
    [untimed] = blocker_lines.blocker_lines(report(S.HELD, gates=hold, published_at=due))

    assert (timed.facts["due"], timed.facts["late_by"]) == (Moment(due, NOW), LIMIT)
    assert (untimed.id, untimed.facts["due"]) == ("blocker.missed_at_once", Moment(due, NOW))
    assert "15 min (--late-by) after its time, Fri 2026-11-27 12:00" in EN(timed)
