"""Why a broadcast makes no call: every cause, with until when and the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.call.attempts import Reason
from broadcast.gates import blockers
from broadcast.gates.blockers import Blocker, Cause
from broadcast.gates.liveness import NOBODY, Liveness
from broadcast.reports import (
    SETS,
    Ahead,
    BatchLine,
    Did,
    Doubtful,
    Driven,
    LaneView,
    OperatorAction,
    People,
    Report,
)
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from presentation.report_json import as_json
from tests.unit.presentation.test_report_json import FREE, LINE, TOLD

NOW = TOLD.now
AGO, SOON = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
HALTED = replace(FREE, halted_at=AGO, halted_by="cli:ann@desk", halted_why="wrong picture")
STOPPED = replace(FREE, stopped_at=AGO, stop_reason=Reason.ACCOUNT_STOPPED, stop_errcode=48001)
LATER = replace(FREE, not_before=SOON, wait_reason=Reason.QUOTA_TODAY)
PLANNED = replace(LINE, state=BatchState.PLANNED, msg_id=None, attempts=0)
WAITING: dict[str, Any] = {
    "recipients": dict.fromkeys(SETS, 0) | {"waiting": 3},
    "batches": dict.fromkeys(("total", *SETS), 0) | {"total": 1, "waiting": 1},
    "batch_list": [PLANNED], "finished_at": None,
}  # fmt: skip
OTHER = "20260301-other1"
NO_SIGNS = Liveness()


def told(state: BroadcastState, lane: LaneView = FREE, **facts: Any) -> Report:
    """A broadcast to three, of whom all wait."""
    return replace(TOLD, **(WAITING | {"state": state, "lane": lane} | facts))


def driven(
    *ahead: str, doubt: Doubtful | None = None, moved_at: datetime = NOW, signs: Liveness = NO_SIGNS
) -> Driven:
    return Driven(moved_at=moved_at, signs=signs, ahead=Ahead(doubt=doubt, broadcasts=ahead))


def causes(report: Report) -> list[Cause]:
    return [one.cause for one in blockers.of(report)]


def only(report: Report) -> Blocker:
    [one] = blockers.of(report)
    return one


@pytest.mark.parametrize("state", BroadcastState)
def test_an_account_that_stands_still_is_told_whatever_the_state(state: BroadcastState) -> None:
    both = replace(STOPPED, halted_at=AGO, halted_by="cli:ann@desk")

    stopped, halted = list(blockers.of(told(state, both)))[:2]

    assert (stopped.cause, stopped.errcode, stopped.since) == (Cause.ACCOUNT_STOPPED, 48001, AGO)
    assert (halted.cause, halted.who, halted.since) == (Cause.ACCOUNT_HALTED, "cli:ann@desk", AGO)
    assert stopped.command == halted.command == "broadcast unhalt --account default"


@pytest.mark.parametrize(
    ("reason", "causes_of_it"),
    [
        (Reason.BY_HAND, [Reason.BY_HAND]),
        (Reason.CONTENT_REFUSED, [Reason.CONTENT_REFUSED, Reason.BY_HAND]),
    ],
)
def test_a_pause_by_hand_tells_who_when_and_why_beside_what_paused_it_before(
    reason: Reason, causes_of_it: list[Reason]
) -> None:
    pause = OperatorAction(at=AGO, who="cli:ann@desk", did=Did.PAUSE, why="a typo")
    people = People(deeds=[pause, replace(pause, did=Did.RESOLVE, who="cli:bob@desk")], earlier=0)

    report = told(BroadcastState.PAUSED, reason=reason, people=people, driven=driven(moved_at=AGO))
    *before, one = blockers.of(report)

    assert [each.reason for each in (*before, one)] == causes_of_it
    assert {(each.since, each.who) for each in before} <= {(AGO, None)}
    assert (one.cause, one.who, one.since, one.why) == (
        Cause.PAUSED, "cli:ann@desk", AGO, "a typo",
    )  # fmt: skip
    assert one.command == f"broadcast resume {TOLD.id}"


@pytest.mark.parametrize(("code", "command"), [(45002, "cancel"), (43004, "resume")])
def test_a_content_that_stays_refused_is_not_to_be_resumed(code: int, command: str) -> None:
    one = only(told(BroadcastState.PAUSED, reason=Reason.CONTENT_REFUSED, reason_errcode=code))

    assert one.command == f"broadcast {command} {TOLD.id}"


@pytest.mark.parametrize(
    ("state", "lane"),
    [
        (BroadcastState.PAUSED, FREE), (BroadcastState.CANCELLED, FREE),
        (BroadcastState.HELD, HALTED), (BroadcastState.SENDING, HALTED),
    ],
)  # fmt: skip
def test_a_call_whose_worker_is_gone_is_told_of_what_stands_still(
    state: BroadcastState, lane: LaneView
) -> None:
    calling = replace(PLANNED, n=3, state=BatchState.CALLING)

    def left(leased_until: datetime | None) -> list[int | None]:
        signs = Liveness(leased_until=leased_until)
        report = told(state, lane, batch_list=[calling], driven=driven(signs=signs))
        return [one.batch for one in blockers.of(report) if one.cause is Cause.LEFT_BEHIND]

    assert left(None) == left(AGO) == [3]
    assert left(SOON) == []


def test_a_pause_by_refusals_tells_the_code_and_names_nobody() -> None:
    lifted = OperatorAction(
        at=AGO - timedelta(hours=1), who="cli:ann@desk", did=Did.PAUSE, why=None
    )

    one = only(
        told(BroadcastState.PAUSED, reason=Reason.TOO_MANY_REFUSALS, reason_errcode=40003,
             reason_count=3, people=People(deeds=[lifted], earlier=0),
             driven=driven(moved_at=AGO))
    )  # fmt: skip

    assert (one.cause, one.errcode, one.count, one.who) == (Cause.PAUSED, 40003, 3, None)


@pytest.mark.parametrize(
    ("facts", "cause", "command"),
    [
        ({"reason": Reason.PLAN_DOES_NOT_FIT}, Cause.DOES_NOT_FIT, "resume"),
        ({"reason": Reason.CONTENT_REFUSED}, Cause.HELD, "resume"),
        ({"batches": {"waiting": 0, "in_doubt": 2}}, Cause.IN_DOUBT, "resolve"),
    ],
)
def test_what_is_held_says_what_lets_it_go_on(
    facts: dict[str, Any], cause: Cause, command: str
) -> None:
    one = only(told(BroadcastState.HELD, **facts))

    assert one.cause is cause
    assert one.command.startswith(f"broadcast {command} {TOLD.id}")


def test_what_its_account_alone_holds_has_no_other_cause() -> None:
    assert causes(told(BroadcastState.HELD, HALTED)) == [Cause.ACCOUNT_HALTED]


def test_a_schedule_is_overdue_when_nobody_took_it_up_in_time() -> None:
    late = NOW - NOBODY - timedelta(seconds=1)

    waits = only(told(BroadcastState.SCHEDULED, scheduled_at=SOON))
    overdue = only(told(BroadcastState.SCHEDULED, scheduled_at=late))

    assert (waits.cause, waits.until) == (Cause.SCHEDULED, SOON)
    assert (overdue.cause, overdue.since, overdue.until) == (Cause.OVERDUE, late, None)


@pytest.mark.parametrize("state", [*BROADCAST_RUNNING, BroadcastState.PLANNING])
def test_a_wait_of_the_account_is_told_with_its_reason_and_its_end(state: BroadcastState) -> None:
    one = only(told(state, LATER))

    assert (one.cause, one.reason, one.until) == (Cause.ACCOUNT_WAITS, Reason.QUOTA_TODAY, SOON)
    assert one.command == f"broadcast watch {TOLD.id}"


@pytest.mark.parametrize(
    ("whose", "command"), [(OTHER, "broadcast pause"), (TOLD.id, "broadcast watch")]
)
def test_the_batch_that_may_have_been_sent_is_named_with_when_it_is_asked_again(
    whose: str, command: str
) -> None:
    doubt = Doubtful(broadcast_id=whose, n=7, reason=Reason.REPEAT_UNKNOWN, until=SOON)

    one = only(told(BroadcastState.SENDING, driven=driven(doubt=doubt)))

    assert (one.cause, one.broadcasts, one.batch) == (Cause.UNKNOWN_FIRST, (whose,), 7)
    assert (one.until, one.command) == (SOON, f"{command} {whose}")


def test_the_broadcast_of_the_doubt_is_not_named_twice() -> None:
    doubt = Doubtful(broadcast_id=OTHER, n=7, reason=Reason.REPEAT_UNKNOWN, until=SOON)

    assert causes(told(BroadcastState.WAITING, driven=driven(OTHER, doubt=doubt))) == [
        Cause.UNKNOWN_FIRST
    ]


def test_what_goes_first_is_named_in_order_beside_the_wait_of_the_account() -> None:
    report = told(BroadcastState.WAITING, LATER, driven=driven("20260301-a", "20260301-b"))

    wait, behind = blockers.of(report)

    assert wait.cause is Cause.ACCOUNT_WAITS
    assert (behind.cause, behind.broadcasts) == (Cause.BEHIND, ("20260301-a", "20260301-b"))
    assert behind.command == "broadcast pause 20260301-a"


@pytest.mark.parametrize("lane", [HALTED, STOPPED])
def test_of_a_lane_that_stands_still_nothing_else_is_told(lane: LaneView) -> None:
    silent = driven(OTHER, moved_at=AGO)

    assert len(causes(told(BroadcastState.SENDING, lane, driven=silent))) == 1


SILENT = NOBODY + timedelta(seconds=1)


@pytest.mark.parametrize("state", [*BROADCAST_RUNNING, BroadcastState.PLANNING])
def test_that_nobody_is_there_is_told_after_a_while_and_not_before(state: BroadcastState) -> None:
    gone = only(told(state, driven=driven(moved_at=NOW - SILENT)))

    assert (gone.cause, gone.since, gone.command) == (
        Cause.NO_WORKER, NOW - SILENT, "broadcast up",
    )  # fmt: skip
    assert causes(told(state, driven=driven(moved_at=NOW - NOBODY))) == []


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([replace(PLANNED, not_before=SOON)], []),
        ([replace(PLANNED, not_before=NOW - SILENT)], [Cause.NO_WORKER]),
        ([replace(PLANNED, state=BatchState.CALLING)], [Cause.NO_WORKER]),
        ([LINE], []),
    ],
)
def test_nobody_is_missed_only_where_a_batch_is_due(
    lines: Sequence[BatchLine], wanted: list[Cause]
) -> None:
    silent = driven(moved_at=NOW - SILENT)

    assert causes(told(BroadcastState.SENDING, driven=silent, batch_list=lines)) == wanted


@pytest.mark.parametrize(
    "state", [BroadcastState.COMPLETED, BroadcastState.PARTIAL, BroadcastState.FAILED,
              BroadcastState.CANCELLED],
)  # fmt: skip
def test_what_has_ended_stands_still_for_no_reason(state: BroadcastState) -> None:
    assert causes(told(state, LATER, driven=driven(OTHER, moved_at=AGO))) == []


def test_programs_are_told_the_same_in_words_of_their_own() -> None:
    doubt = Doubtful(
        broadcast_id=OTHER, n=7, reason=Reason.UNPROVED_ACCEPTANCE,
        until=datetime(2026, 3, 1, 13, 0, tzinfo=UTC),
    )  # fmt: skip

    [one] = as_json(told(BroadcastState.WAITING, driven=driven(doubt=doubt)))["blockers"]

    assert one == {
        "cause": "unknown_first", "reason": "unproved_acceptance", "errcode": None, "errmsg": None,
        "since": None, "until": "2026-03-01T13:00:00.000Z", "who": None, "why": None, "count": None,
        "broadcasts": [OTHER], "batch": 7, "command": f"broadcast pause {OTHER}",
    }  # fmt: skip
