"""Why a broadcast makes no call: every cause, with until when and the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.enums import recognised
from broadcast.rules.calls.outcomes import SendPath, content_stays_refused
from broadcast.rules.gates import blockers
from broadcast.rules.gates.blockers import Blocker
from broadcast.rules.gates.gate import Cause, Gate, GateKind, GateScope
from broadcast.rules.gates.lateness import NOBODY, SignsOfLife
from broadcast.rules.gates.shown_states import shown_state
from broadcast.rules.reports import SETS, Ahead, BatchLine, Doubtful, Driven, LaneView, Report
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AGO, SOON = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
ID, OTHER = "20260301-abcdef", "20260301-other1"
RESUME, CANCEL = f"broadcast resume {ID}", f"broadcast cancel {ID}"
UNHALT = "broadcast unhalt --account default"
FREE = LaneView(not_before=None, wait_reason=None)
LATER = replace(FREE, not_before=SOON, wait_reason=Reason.QUOTA_TODAY)
PLANNED = BatchLine(
    n=1,
    size=3,
    state=BatchState.PLANNED,
    reason=None,
    errcode=None,
    errmsg=None,
    msg_id=None,
    attempts=0,
    not_before=None,
)
NO_SIGNS = SignsOfLife()


def of_account(kind: GateKind, path: SendPath | None = None, **facts: Any) -> Gate:
    """Return a gate of the account, or of one of its interfaces."""
    scope = GateScope.ACCOUNT if path is None else GateScope.PATH
    given: dict[str, Any] = {"closed_at": AGO, "closed_by": "worker"} | facts
    return Gate(
        id=1, scope=scope, kind=kind, account="default", broadcast_id=None, path=path, **given
    )


def own(kind: GateKind, **facts: Any) -> Gate:
    """Return a gate of the broadcast itself."""
    return replace(of_account(kind, **facts), scope=GateScope.BROADCAST, broadcast_id=ID)


HALT = of_account(GateKind.HALT, closed_by="cli:ann@desk", why="wrong picture")
STOP = of_account(GateKind.STOP, reason=Reason.ACCOUNT_STOPPED, errcode=48001)
HALTED, STOPPED = replace(FREE, gates=(HALT,)), replace(FREE, gates=(STOP,))


def report(
    *gates: Gate,
    lane: LaneView = FREE,
    phase: Phase = Phase.SENDING,
    result: BroadcastState | None = None,
    **facts: Any,
) -> Report:
    """Return a broadcast to three, of whom all wait, unless said otherwise."""
    closed = (*gates, *lane.gates)
    state = shown_state(phase=phase, result=result, gates=closed, called=True, now=NOW)
    given: dict[str, Any] = {
        "recipients": dict.fromkeys(SETS, 0) | {"waiting": 3},
        "batches": dict.fromkeys(("total", *SETS), 0) | {"total": 1, "waiting": 1},
        "batch_list": [PLANNED],
        "scheduled_at": None,
    } | facts
    return Report(
        id=ID,
        account="default",
        key="周五",
        phase=phase,
        state=state,
        gates=closed,
        msgtype="text",
        content="{}",
        audience={"read": 3, "planned": 3},
        calls=0,
        results_due=0,
        lane=lane,
        created_at=AGO,
        late_by=timedelta(minutes=15),
        started_at=None,
        finished_at=None,
        now=NOW,
        **given,
    )


def driven(
    *ahead: str,
    doubt: Doubtful | None = None,
    moved_at: datetime = NOW,
    signs: SignsOfLife = NO_SIGNS,
) -> Driven:
    return Driven(moved_at=moved_at, signs=signs, ahead=Ahead(doubt=doubt, broadcasts=ahead))


def causes(found: Report) -> list[Cause]:
    return [one.cause for one in blockers.blockers_of(found)]


def only(found: Report) -> Blocker:
    [one] = blockers.blockers_of(found)
    return one


# -- the account


ENDS = [BroadcastState.COMPLETED, BroadcastState.PARTIAL, BroadcastState.FAILED]
BOTH = replace(FREE, gates=(HALT, STOP))


@pytest.mark.parametrize("phase", [one for one in Phase if one is not Phase.ENDED])
def test_what_stops_an_account_is_named_until_the_end(phase: Phase) -> None:
    stopped, halted = list(blockers.blockers_of(report(lane=BOTH, phase=phase)))[:2]

    assert (stopped.cause, stopped.errcode, stopped.since) == (Cause.ACCOUNT_STOPPED, 48001, AGO)
    assert (halted.cause, halted.who, halted.since) == (Cause.ACCOUNT_HALTED, "cli:ann@desk", AGO)
    assert halted.why == "wrong picture"
    assert stopped.command == halted.command == UNHALT


@pytest.mark.parametrize("state", [*ENDS, BroadcastState.HELD])
def test_what_stops_an_account_is_no_blocker_of_what_has_ended(state: BroadcastState) -> None:
    doubts = dict.fromkeys(("total", *SETS), 0) | {"in_doubt": int(state is BroadcastState.HELD)}

    found = report(lane=BOTH, phase=Phase.ENDED, result=state, batches=doubts)

    assert causes(found) == [Cause.IN_DOUBT] * doubts["in_doubt"]


def test_the_circuit_breaker_of_an_account_names_its_doubts_and_nobody() -> None:
    breaker = of_account(
        GateKind.BREAKER, reason=Reason.TOO_MANY_DOUBTS, count=3, broadcasts=(ID, OTHER)
    )
    one = only(report(lane=replace(FREE, gates=(breaker,))))

    assert (one.cause, one.count, one.broadcasts) == (Cause.ACCOUNT_STOPPED, 3, (ID, OTHER))
    assert (one.who, one.command) == (None, UNHALT)


def test_a_gate_of_one_interface_says_which_and_until_when() -> None:
    used_up = of_account(GateKind.QUOTA, SendPath.SENDALL, reason=Reason.QUOTA_TODAY, until=SOON)
    one = next(blockers.of_account("default", replace(FREE, gates=(used_up,)), NOW))

    assert (one.cause, one.path, one.until) == (Cause.ACCOUNT_WAITS, SendPath.SENDALL, SOON)


def test_a_gate_that_opened_by_itself_is_no_blocker() -> None:
    used_up = of_account(GateKind.QUOTA, SendPath.SENDALL, until=NOW)

    assert list(blockers.of_account("default", replace(FREE, gates=(used_up,)), NOW)) == []


# -- the broadcast's own gates


def test_a_pause_says_who_when_and_why_beside_what_paused_it_before() -> None:
    breaker = own(GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=43004, errmsg="words")
    pause = own(GateKind.PAUSE, closed_by="cli:ann@desk", why="a typo", reason=Reason.BY_HAND)

    first, second = blockers.blockers_of(report(pause, breaker))

    assert (first.cause, first.who, first.since) == (Cause.PAUSED, None, AGO)
    assert (first.reason, first.errcode, first.errmsg) == (Reason.CONTENT_REFUSED, 43004, "words")
    assert (second.cause, second.who, second.why) == (Cause.PAUSED, "cli:ann@desk", "a typo")
    assert first.command == second.command == RESUME


@pytest.mark.parametrize(("errcode", "command"), [(45002, CANCEL), (43004, RESUME)])
def test_a_content_that_stays_refused_is_not_to_be_resumed(errcode: int, command: str) -> None:
    one = only(report(own(GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=errcode)))

    assert one.command == command
    assert content_stays_refused(one.reason, one.errcode) != (command == RESUME)


def test_a_pause_by_refusals_says_the_code_and_names_nobody() -> None:
    one = only(
        report(own(GateKind.BREAKER, reason=Reason.TOO_MANY_REFUSALS, errcode=40003, count=3))
    )

    assert (one.cause, one.errcode, one.count, one.who) == (Cause.PAUSED, 40003, 3, None)
    assert one.command == RESUME


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (Reason.PLAN_DOES_NOT_FIT, Cause.DOES_NOT_FIT),
        (Reason.MISSED_TIME, Cause.MISSED_TIME),
        (None, Cause.HELD),
    ],
)
def test_what_is_held_says_why_and_goes_on_by_a_resume(reason: Reason | None, cause: Cause) -> None:
    one = only(report(own(GateKind.HOLD, reason=reason)))

    assert (one.cause, one.command) == (cause, RESUME)


def test_several_gates_are_all_named_and_what_is_to_be_fixed_first() -> None:
    found = report(
        own(GateKind.PAUSE),
        own(GateKind.HOLD, reason=Reason.MISSED_TIME),
        own(GateKind.BREAKER),
        lane=HALTED,
    )

    assert causes(found) == [
        Cause.ACCOUNT_HALTED,
        Cause.PAUSED,
        Cause.MISSED_TIME,
        Cause.PAUSED,
    ]


STRANGE = recognised(GateKind, "approval_of_a_later_release")


def test_a_gate_of_a_newer_release_is_named_as_such() -> None:
    assert causes(report(own(STRANGE))) == [Cause.NEWER_RELEASE]
    assert causes(report(lane=replace(FREE, gates=(of_account(STRANGE),)))) == [Cause.NEWER_RELEASE]


def test_what_its_account_alone_holds_has_no_other_cause() -> None:
    assert causes(report(lane=HALTED)) == [Cause.ACCOUNT_HALTED]


@pytest.mark.parametrize(
    ("phase", "result"),
    [
        (Phase.SENDING, None),
        (Phase.ENDED, BroadcastState.HELD),
        (Phase.ENDED, BroadcastState.COMPLETED),
    ],
)
@pytest.mark.parametrize("gates", [(), (own(GateKind.CANCEL),), (own(GateKind.PAUSE),)])
def test_a_doubt_is_named_in_every_state(
    phase: Phase, result: BroadcastState | None, gates: tuple[Gate, ...]
) -> None:
    doubts = {**dict.fromkeys(("total", *SETS), 0), "total": 2, "in_doubt": 2}

    found = report(*gates, phase=phase, result=result, batches=doubts)

    [one] = [one for one in blockers.blockers_of(found) if one.cause is Cause.IN_DOUBT]
    assert one.count == 2
    assert one.command.startswith(f"broadcast resolve {ID} ")


def test_a_schedule_is_overdue_when_nobody_took_it_up_in_time() -> None:
    late = NOW - NOBODY - timedelta(seconds=1)

    waits = only(report(own(GateKind.SCHEDULE, until=SOON), phase=Phase.PLANNING))
    overdue = only(report(own(GateKind.SCHEDULE, until=late), phase=Phase.PLANNING))

    assert (waits.cause, waits.until, waits.command) == (Cause.SCHEDULED, SOON, CANCEL)
    assert (overdue.cause, overdue.since, overdue.until) == (Cause.OVERDUE, late, None)


# -- waits, what goes first, and who is not there


@pytest.mark.parametrize("phase", [Phase.PLANNING, Phase.SENDING])
def test_a_wait_of_the_account_is_named_with_its_reason_and_its_end(phase: Phase) -> None:
    one = only(report(lane=LATER, phase=phase))

    assert (one.cause, one.reason, one.until) == (Cause.ACCOUNT_WAITS, Reason.QUOTA_TODAY, SOON)
    assert one.command == f"broadcast watch {ID}"


@pytest.mark.parametrize(
    ("gates", "lane"),
    [
        ((own(GateKind.PAUSE),), FREE),
        ((own(GateKind.CANCEL),), FREE),
        ((), HALTED),
        ((own(GateKind.HOLD),), STOPPED),
    ],
)
def test_a_call_whose_worker_is_gone_is_named_of_what_stands_still(
    gates: tuple[Gate, ...], lane: LaneView
) -> None:
    calling = replace(PLANNED, n=3, state=BatchState.CALLING)

    def left(leased_until: datetime | None) -> list[int | None]:
        signs = SignsOfLife(leased_until=leased_until)
        found = report(*gates, lane=lane, batch_list=[calling], driven=driven(signs=signs))
        return [one.batch for one in blockers.blockers_of(found) if one.cause is Cause.LEFT_BEHIND]

    assert left(None) == left(AGO) == [3]
    assert left(SOON) == []


@pytest.mark.parametrize(
    ("whose", "command"), [(OTHER, "broadcast pause"), (ID, "broadcast watch")]
)
def test_the_batch_that_may_have_been_sent_is_named_with_when_it_is_asked_again(
    whose: str, command: str
) -> None:
    doubt = Doubtful(broadcast_id=whose, n=7, reason=Reason.REPEAT_UNKNOWN, until=SOON)

    one = only(report(driven=driven(doubt=doubt)))

    assert (one.cause, one.broadcasts, one.batch) == (Cause.UNKNOWN_FIRST, (whose,), 7)
    assert (one.until, one.command) == (SOON, f"{command} {whose}")


def test_the_broadcast_of_the_doubt_is_not_named_twice() -> None:
    doubt = Doubtful(broadcast_id=OTHER, n=7, reason=Reason.REPEAT_UNKNOWN, until=SOON)

    assert causes(report(driven=driven(OTHER, doubt=doubt))) == [Cause.UNKNOWN_FIRST]


def test_what_goes_first_is_named_in_order_beside_the_wait_of_the_account() -> None:
    wait, behind = blockers.blockers_of(
        report(lane=LATER, driven=driven("20260301-a", "20260301-b"))
    )

    assert wait.cause is Cause.ACCOUNT_WAITS
    assert (behind.cause, behind.broadcasts) == (Cause.BEHIND, ("20260301-a", "20260301-b"))
    assert behind.command == "broadcast pause 20260301-a"


@pytest.mark.parametrize("lane", [HALTED, STOPPED])
def test_of_a_lane_that_stands_still_nothing_else_is_named(lane: LaneView) -> None:
    silent = driven(OTHER, moved_at=AGO)

    assert len(causes(report(lane=lane, driven=silent))) == 1


SILENT = NOBODY + timedelta(seconds=1)


def test_nobody_is_missed_from_before_its_time() -> None:
    """It was stored an hour ago, and was to wait until now."""
    at = NOW - NOBODY / 2
    due = own(GateKind.SCHEDULE, until=at)
    silent = driven(moved_at=AGO)

    assert causes(report(due, phase=Phase.PLANNING, scheduled_at=at, driven=silent)) == []
    later = report(scheduled_at=NOW - SILENT, driven=silent)
    assert only(later).since == NOW - SILENT


@pytest.mark.parametrize("phase", [Phase.PLANNING, Phase.SENDING])
def test_that_nobody_is_there_is_said_after_a_while_and_not_before(phase: Phase) -> None:
    gone = only(report(phase=phase, driven=driven(moved_at=NOW - SILENT)))

    assert (gone.cause, gone.since, gone.command) == (
        Cause.NO_WORKER,
        NOW - SILENT,
        "broadcast up",
    )
    assert causes(report(phase=phase, driven=driven(moved_at=NOW - NOBODY))) == []


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([replace(PLANNED, not_before=SOON)], [Cause.ACCOUNT_WAITS]),
        ([replace(PLANNED, not_before=NOW - SILENT)], [Cause.NO_WORKER]),
        ([replace(PLANNED, state=BatchState.CALLING)], [Cause.NO_WORKER]),
        ([replace(PLANNED, state=BatchState.ACCEPTED, msg_id=7)], []),
    ],
)
def test_nobody_is_missed_only_where_a_batch_is_due(
    lines: Sequence[BatchLine], wanted: list[Cause]
) -> None:
    silent = driven(moved_at=NOW - SILENT)

    assert causes(report(driven=silent, batch_list=lines)) == wanted


@pytest.mark.parametrize("state", [*ENDS, BroadcastState.CANCELLED])
def test_what_has_ended_stands_still_for_no_reason(state: BroadcastState) -> None:
    silent = driven(OTHER, moved_at=AGO)

    assert causes(report(lane=LATER, phase=Phase.ENDED, result=state, driven=silent)) == []


def test_a_pause_that_outlived_its_broadcast_is_no_blocker_of_it() -> None:
    found = report(own(GateKind.PAUSE), phase=Phase.ENDED, result=BroadcastState.COMPLETED)

    assert causes(found) == []
