"""Standstills: why a broadcast makes no call now, since when, until when, and what goes on.

Every hold, stop and wait is one; a broadcast may have several, and the first is to be mended first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import MAY_PASS
from broadcast.gates import liveness
from broadcast.reports import Did, LaneView, Report
from broadcast.states import BATCH_OPEN, BROADCAST_RUNNING, BatchState, BroadcastState

S = BroadcastState


class Cause(StrEnum):
    """Why no call is made; each has its text."""

    ACCOUNT_STOPPED = "account_stopped"  #: by what WeChat answered, or by too many doubts
    ACCOUNT_HALTED = "account_halted"  #: by a person
    PAUSED = "paused"  #: by a person, or by refusals
    HELD = "held"  #: what is planned cannot go on before a person says so
    DOES_NOT_FIT = "does_not_fit"  #: the account's day has too few calls left
    IN_DOUBT = "in_doubt"  #: nothing is left to be called, but batches are in doubt
    SCHEDULED = "scheduled"
    OVERDUE = "overdue"  #: its time has come, and nobody launched it
    ACCOUNT_WAITS = "account_waits"  #: for WeChat or for another day
    UNKNOWN_FIRST = "unknown_first"  #: a batch that may have been sent is asked about before all
    BEHIND = "behind"  #: other broadcasts of the account go first
    NO_WORKER = "no_worker"  #: nobody drives it although it may go on
    #: A call of it began, and the worker that made it is gone; it stands still for another cause.
    LEFT_BEHIND = "left_behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One cause. *until* None: until a person, or what stands before it, lets it go on."""

    cause: Cause
    #: What a person can do about it: to go on, or where it goes on by itself, to follow or to jump.
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


def of(told: Report) -> Iterator[Blocker]:
    """Yield why *told* makes no call; nothing where it is driven, or has ended.

    An account that stands still is told whatever the state: its next broadcast stands still too.
    What is ahead of it and whether anybody is there are told of a whole report alone.
    """
    stops = list(of_account(told.account, told.lane))
    yield from stops
    if told.state is S.PAUSED:
        yield from _paused(told)
    elif told.state is S.HELD and _itself(told, stopped=bool(stops)):
        yield _held(told)
    elif told.state is S.SCHEDULED and told.scheduled_at is not None:
        yield _scheduled(told, told.scheduled_at)
    elif told.state in _DRIVEN:
        yield from _waits(told)
    if stops or told.state not in _DRIVEN:
        yield from _left_behind(told)


def is_driven(told: Report) -> bool:
    """Tell whether a worker goes on with *told* by itself, now or when a wait is over."""
    return told.state in _DRIVEN and not told.lane.stands_still


#: States of which a worker does something, unless its lane waits.
_DRIVEN = BROADCAST_RUNNING | {S.PLANNING}


def of_account(account: str, lane: LaneView) -> Iterator[Blocker]:
    """Yield who or what stopped an account. One command lifts both a stop and a halt."""
    command = f"broadcast unhalt --account {account}"
    if lane.stopped_at is not None:
        yield Blocker(
            cause=Cause.ACCOUNT_STOPPED, command=command, reason=lane.stop_reason,
            errcode=lane.stop_errcode, errmsg=lane.stop_errmsg, since=lane.stopped_at,
            count=lane.stop_count, broadcasts=lane.stop_broadcasts,
        )  # fmt: skip
    if lane.halted_at is not None:
        yield Blocker(
            cause=Cause.ACCOUNT_HALTED, command=command, since=lane.halted_at, who=lane.halted_by,
            why=lane.halted_why,
        )  # fmt: skip


def lane_wait(told: Report) -> Blocker | None:
    """Return what the account's lane waits for, if it waits for a moment to come."""
    until = told.lane.not_before
    if told.state not in _DRIVEN or until is None or until <= told.now:
        return None
    return Blocker(
        cause=Cause.ACCOUNT_WAITS, command=f"broadcast watch {told.id}",
        reason=told.lane.wait_reason, until=until,
    )  # fmt: skip


def _paused(told: Report) -> Iterator[Blocker]:
    """Yield what paused it: a refusal, a person, or first the one and then the other as well."""
    resume = f"broadcast resume {told.id}"
    moved_at = told.driven.moved_at if told.driven else None
    by_itself = told.reason is not Reason.BY_HAND
    if by_itself:
        command = resume if is_worth_a_resume(told) else f"broadcast cancel {told.id}"
        yield Blocker(
            cause=Cause.PAUSED, command=command, reason=told.reason, errcode=told.reason_errcode,
            errmsg=told.reason_errmsg, count=told.reason_count, since=moved_at,
        )  # fmt: skip
    by_hand = Blocker(cause=Cause.PAUSED, command=resume, reason=Reason.BY_HAND, since=moved_at)
    deeds = told.people.deeds if told.people else ()
    for deed in reversed(deeds):
        # An older word was lifted by a move.
        if deed.did is Did.PAUSE and moved_at is not None and deed.at >= moved_at:
            yield replace(by_hand, since=deed.at, who=deed.who, why=deed.why)
            return
    if not by_itself:
        yield by_hand


def is_worth_a_resume(told: Report) -> bool:
    """Tell whether what is paused may be taken once more: not a content that stays refused."""
    return told.reason is not Reason.CONTENT_REFUSED or told.reason_errcode in MAY_PASS


def _itself(told: Report, *, stopped: bool) -> bool:
    """Tell whether it is held for a reason of its own, not only by its account."""
    return not stopped or told.reason is not None or not told.recipients["waiting"]


def _held(told: Report) -> Blocker:
    resume = f"broadcast resume {told.id}"
    if told.reason is Reason.PLAN_DOES_NOT_FIT:
        return Blocker(cause=Cause.DOES_NOT_FIT, command=resume, reason=told.reason)
    if told.batches["waiting"]:
        return Blocker(
            cause=Cause.HELD, command=resume, reason=told.reason, errcode=told.reason_errcode,
            errmsg=told.reason_errmsg,
        )  # fmt: skip
    resolve = f"broadcast resolve {told.id} --batch N --sent MSG_ID | --not-sent"
    return Blocker(cause=Cause.IN_DOUBT, command=resolve, count=told.batches["in_doubt"])


def _scheduled(told: Report, at: datetime) -> Blocker:
    overdue = told.now - at > liveness.NOBODY
    if overdue:
        return Blocker(cause=Cause.OVERDUE, command="broadcast up", since=at)
    return Blocker(cause=Cause.SCHEDULED, command=f"broadcast cancel {told.id}", until=at)


def _waits(told: Report) -> Iterator[Blocker]:
    wait = lane_wait(told)
    if wait is not None:
        yield wait
    if told.driven is None or told.lane.stands_still:
        return
    yield from _behind(told)
    since = _silent_since(told)
    if since is not None and told.now - since > liveness.NOBODY:
        yield Blocker(cause=Cause.NO_WORKER, command="broadcast up", since=since)


def _behind(told: Report) -> Iterator[Blocker]:
    if told.driven is None:
        return
    ahead = told.driven.ahead
    if ahead.doubt is not None:
        own = ahead.doubt.broadcast_id == told.id
        verb = "watch" if own else "pause"
        yield Blocker(
            cause=Cause.UNKNOWN_FIRST, command=f"broadcast {verb} {ahead.doubt.broadcast_id}",
            reason=ahead.doubt.reason, until=ahead.doubt.until,
            broadcasts=(ahead.doubt.broadcast_id,), batch=ahead.doubt.n,
        )  # fmt: skip
    told_of = ahead.doubt.broadcast_id if ahead.doubt else None
    others = tuple(one for one in ahead.broadcasts if one != told_of)
    if others:
        yield Blocker(cause=Cause.BEHIND, command=f"broadcast pause {others[0]}", broadcasts=others)


def _left_behind(told: Report) -> Iterator[Blocker]:
    if told.driven is None or liveness.is_leased(told.driven.signs, told.now):
        return
    for line in told.batch_list:
        if line.state is BatchState.CALLING:
            yield Blocker(
                cause=Cause.LEFT_BEHIND, command="broadcast up", broadcasts=(told.id,), batch=line.n
            )


def _silent_since(told: Report) -> datetime | None:
    if told.driven is None:
        return None
    moved_at, signs = told.driven.moved_at, told.driven.signs
    if told.state is S.PLANNING:
        return liveness.of_plan(moved_at, signs)
    due = [line.not_before or moved_at for line in told.batch_list if line.state in BATCH_OPEN]
    return liveness.of_lane(due, moved_at, signs)
