"""Blockers: why a broadcast makes no call now, since when, until when, and what goes on.

Every closed gate and every wait is one; a broadcast may have several, and the first is to be fixed
first. Facts and no words: :mod:`broadcast.views` has those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from broadcast.enums import is_recognised
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath, content_stays_refused
from broadcast.rules.gates import lateness
from broadcast.rules.gates.gate import (
    Cause,
    Gate,
    GateKind,
    GateScope,
    Opener,
    closed,
    order,
    traits_of,
)
from broadcast.rules.plan import audience as audiences
from broadcast.rules.reports import LaneView, Report
from broadcast.rules.states import BATCH_AT_REST, OPEN_PHASES, BatchState, Phase, Reason

#: WeChat's word on a tag that it does not have.
NO_SUCH_TAG: Final = 45159
#: The command that starts a worker.
START: Final = "broadcast up"


@frozen
class Blocker:
    """One cause. *until* None: until an operator acts, or what goes before it is done."""

    cause: Cause
    #: What an operator can do: continue it, or follow it, or let it go first.
    command: str
    reason: Reason | None = None
    errcode: int | None = None
    errmsg: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    why: str | None = None
    #: How many batches made it stop.
    count: int | None = None
    #: The broadcasts that made it stop, or that go first.
    broadcasts: Sequence[str] = ()
    #: The batch that goes first, of the only one of *broadcasts*.
    batch: int | None = None
    #: The one interface of the account that it concerns; None: all.
    path: SendPath | None = None


def blockers_of(report: Report) -> Iterator[Blocker]:
    """Yield the causes for which *report* makes no call; nothing where it is driven.

    Of one that has ended its doubts are named, and that the administrator is asked: no other
    command makes a call of it. What is ahead of it and whether anybody is there are known of a
    report of one broadcast alone.
    """
    if report.phase is Phase.ENDED:
        asked = report.gate(GateKind.ADMINISTRATOR)
        if (
            asked is not None
            and asked.is_closed(report.now)
            and report.batches["accepted"] > report.batches["finished"]
        ):
            yield _blocker(asked, Cause.ADMINISTRATOR, f"broadcast status {report.id}")
        if report.batches["in_doubt"]:
            yield _in_doubt(report)
        return
    stops = list(of_account(report.account, report.lane, report.now))
    yield from stops
    own = list(_own(report))
    yield from own
    if report.batches["in_doubt"]:
        yield _in_doubt(report)
    if not stops and not own and is_driven(report):
        yield from _waits(report)
    elif report.phase is Phase.SENDING:
        yield from _left_behind(report)


def in_force(report: Report) -> Iterator[Blocker]:
    """Yield the causes without waits that end by themselves while another waits for a person.

    Nothing would go on at the end of such a wait. A time that is to come stays.
    """
    by_person = report.phase is not Phase.ENDED and waits_for_a_person(report.gates)
    for one in blockers_of(report):
        if not by_person or one.until is None or one.cause is Cause.SCHEDULED:
            yield one


def waits_for_a_person(gates: Iterable[Gate]) -> bool:
    """Return whether one of *gates* opens by a command alone."""
    return any(gate.opens_at() is None for gate in gates)


def is_going_out(gates: Iterable[Gate]) -> bool:
    """Return whether a broadcast with these closed gates of its own is being sent, or soon is.

    Its undo window keeps it back for so short a time that a person takes it for being sent.
    """
    return {gate.kind for gate in gates} <= {GateKind.COOLING_OFF}


def is_being_sent(report: Report) -> bool:
    """Return whether *report* is being sent, whatever its account may do, or soon is."""
    own = [gate for gate in closed(report.gates, report.now) if gate.scope is GateScope.BROADCAST]
    return report.phase in OPEN_PHASES and is_going_out(own)


def is_driven(report: Report) -> bool:
    """Return whether a worker continues *report* automatically, now or after a wait."""
    is_open = report.phase in OPEN_PHASES
    return is_open and not waits_for_a_person(report.gates)


def of_account(account: str, lane: LaneView, now: datetime) -> Iterator[Blocker]:
    """Yield what closed the gates of an account or of one of its interfaces."""
    for gate in sorted(closed(lane.gates, now), key=lambda gate: order(gate.kind)):
        means = traits_of(gate.kind)
        # A day's quota opens at its time: what is left of it is what there is to see before.
        verb = "quota" if means.by_time else means.of_account
        command = f"broadcast {verb} --account {account}" if verb else "broadcast accounts"
        if verb is Opener.RESTORED:
            command = f"broadcast {verb}"
        yield _blocker(gate, means.account_cause, command)


def _blocker(gate: Gate, cause: Cause, command: str) -> Blocker:
    by_hand = traits_of(gate.kind).by_person
    return Blocker(
        cause=cause,
        command=command,
        reason=gate.reason,
        errcode=gate.errcode,
        errmsg=gate.errmsg,
        since=gate.closed_at,
        until=gate.opens_at(),
        who=gate.closed_by if by_hand else None,
        why=gate.why,
        count=gate.count,
        broadcasts=gate.broadcasts,
        path=gate.path,
    )


def _own(report: Report) -> Iterator[Blocker]:
    """Yield what closed the broadcast's own gates: first what is to be fixed, then a pause."""
    if report.gate(GateKind.CANCEL):
        return
    left = [line.state for line in report.batch_list if line.state not in BATCH_AT_REST]
    is_understood = audiences.is_understood(report.path, report.audience_kind)
    if not is_understood or (left and not any(map(is_recognised, left))):
        yield Blocker(cause=Cause.NEWER_RELEASE, command=f"broadcast status {report.id}")
    own = [gate for gate in report.gates if gate.scope is GateScope.BROADCAST]
    for gate in sorted(own, key=lambda gate: order(gate.kind)):
        means = traits_of(gate.kind)
        command = f"broadcast {means.own or 'status'} {report.id}"
        cancel = f"broadcast cancel {report.id}"
        match gate.kind:
            case GateKind.BREAKER if content_stays_refused(gate.reason, gate.errcode):
                yield _blocker(gate, means.cause, cancel)
            case GateKind.DRAFT if gate.reason is Reason.DRAFT_GONE:
                yield _blocker(gate, means.cause, cancel)
            case GateKind.HOLD if gate.reason is Reason.SUPPRESSION_LIST:
                yield _blocker(gate, Cause.SUPPRESSION, cancel)
            case GateKind.HOLD if _is_tag_gone(gate):
                yield _blocker(gate, Cause.TAG_GONE, cancel)
            case GateKind.HOLD:
                yield _blocker(gate, _HOLDS.get(gate.reason, means.cause), command)
            case GateKind.SCHEDULE | GateKind.COOLING_OFF:
                yield from _timed(report, gate)
            case _:
                yield _blocker(gate, means.cause, command)


_HOLDS: dict[Reason | None, Cause] = {
    Reason.PLAN_DOES_NOT_FIT: Cause.DOES_NOT_FIT,
    Reason.MISSED_TIME: Cause.MISSED_TIME,
}


def _timed(report: Report, gate: Gate) -> Iterator[Blocker]:
    at = gate.until or gate.closed_at
    if gate.is_closed(report.now):
        yield Blocker(
            cause=traits_of(gate.kind).cause,
            command=f"broadcast cancel {report.id}",
            since=gate.closed_at,
            until=at,
        )
    elif (
        gate.kind is GateKind.SCHEDULE
        and report.phase is Phase.PLANNING
        and report.now - at > lateness.NOBODY
    ):
        yield Blocker(cause=Cause.OVERDUE, command=START, since=at)


def _is_tag_gone(gate: Gate) -> bool:
    """Return whether a broadcast is held for a tag that WeChat has no more."""
    return gate.reason is Reason.TAG_UNANSWERED and gate.errcode == NO_SUCH_TAG


def _in_doubt(report: Report) -> Blocker:
    resolve = f"broadcast resolve {report.id} --batch N --sent | --not-sent"
    return Blocker(cause=Cause.IN_DOUBT, command=resolve, count=report.batches["in_doubt"])


def account_wait(report: Report) -> Blocker | None:
    """Return what keeps the calls of a driven broadcast until a moment to come."""
    if not is_driven(report):
        return None
    return next((one for one in blockers_of(report) if one.cause is Cause.ACCOUNT_WAITS), None)


def _lane_wait(report: Report) -> Blocker | None:
    until = report.lane.not_before
    if until is None or until <= report.now:
        return None
    by_opt_out = report.lane.wait_reason is Reason.OPT_OUT_UNAPPLIED
    return Blocker(
        cause=Cause.ACCOUNT_WAITS,
        command="broadcast accounts" if by_opt_out else f"broadcast watch {report.id}",
        reason=report.lane.wait_reason,
        until=until,
    )


def _waits(report: Report) -> Iterator[Blocker]:
    wait = _lane_wait(report)
    if wait is not None:
        yield wait
    if report.driven is None:
        return
    yield from _behind(report)
    if wait is None:
        yield from _batches_wait(report)
    since = _silent_since(report)
    if since is not None and report.now - since > lateness.NOBODY:
        yield Blocker(cause=Cause.NO_WORKER, command=START, since=since)


def _batches_wait(report: Report) -> Iterator[Blocker]:
    """Yield until when each batch that is open waits, where all of them do."""
    planned = [line for line in report.batch_list if line.state not in BATCH_AT_REST]
    if any(line.state is not BatchState.PLANNED for line in planned):
        return
    first = min(planned, key=lambda line: line.not_before or report.now, default=None)
    if first is not None and first.not_before is not None and first.not_before > report.now:
        yield Blocker(
            cause=Cause.ACCOUNT_WAITS,
            command=f"broadcast watch {report.id}",
            reason=first.reason,
            until=first.not_before,
            batch=first.n,
        )


def _behind(report: Report) -> Iterator[Blocker]:
    if report.driven is None:
        return
    ahead = report.driven.ahead
    if ahead.doubt is not None:
        own = ahead.doubt.broadcast_id == report.id
        verb = "watch" if own else "pause"
        yield Blocker(
            cause=Cause.UNKNOWN_FIRST,
            command=f"broadcast {verb} {ahead.doubt.broadcast_id}",
            reason=ahead.doubt.reason,
            until=ahead.doubt.until,
            broadcasts=(ahead.doubt.broadcast_id,),
            batch=ahead.doubt.n,
        )
    named = ahead.doubt.broadcast_id if ahead.doubt else None
    others = tuple(one for one in ahead.broadcasts if one != named)
    if others:
        yield Blocker(cause=Cause.BEHIND, command=f"broadcast pause {others[0]}", broadcasts=others)


def _left_behind(report: Report) -> Iterator[Blocker]:
    if report.driven is None or lateness.is_leased(report.driven.signs, report.now):
        return
    for line in report.batch_list:
        if line.state is BatchState.CALLING:
            yield Blocker(
                cause=Cause.LEFT_BEHIND,
                command=START,
                broadcasts=(report.id,),
                batch=line.n,
            )


def _silent_since(report: Report) -> datetime | None:
    if report.driven is None:
        return None
    # Before its time, and until its last gate opened, no worker was to take it up.
    opened = [gate.opens_at() for gate in report.gates]
    moved_at = lateness.latest(report.driven.moved_at, report.scheduled_at, *opened)
    signs = report.driven.signs
    if report.phase is Phase.PLANNING:
        return lateness.of_plan(moved_at, signs)
    due = [
        line.not_before or moved_at for line in report.batch_list if line.state not in BATCH_AT_REST
    ]
    return lateness.of_lane(due, moved_at, signs)
