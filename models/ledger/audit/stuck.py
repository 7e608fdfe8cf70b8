"""Stuck: what waits for a worker, and none comes. A working installation moves it in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from broadcast.outcomes import Outcome
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from broadcast.waits import REPEAT_WINDOW
from models.ledger.audit.case import BatchCase, Case
from models.ledger.audit.findings import Finding, Found
from models.ledger.lanes import LEASE

#: A sweep looks every few seconds; a busy machine may miss some.
PATIENCE = timedelta(seconds=60)


def check(case: Case) -> Iterator[Finding]:
    """Yield what nobody drives although it may go on."""
    for batch in case.batches:
        if batch.state is BatchState.CALLING:
            yield from _calling(case, batch)
        elif batch.state is BatchState.UNKNOWN:
            yield from _doubt(case, batch)
    yield from _lane(case)
    yield from _broadcast(case)


def _calling(case: Case, batch: BatchCase) -> Iterator[Finding]:
    """Yield a call whose driver is gone; who takes a lane over adopts what was left on it."""
    if not batch.calls:
        return
    call, lane = batch.calls[-1], case.lane
    replaced = lane.fence > call.fence
    alive = _last(call.started_at + LEASE, lane.leased_until)
    if replaced or case.now - alive > PATIENCE:
        yield case.finding(Found.CALLING, batch, since=call.started_at, number=call.number)


def _doubt(case: Case, batch: BatchCase) -> Iterator[Finding]:
    called = [c for c in batch.calls if c.outcome is not Outcome.NOT_CALLED and not c.denied]
    taken = [call for call in called if call.maybe_sent or call.said_accepted]
    if not called:
        return
    first = (taken or called)[0]
    end = first.started_at + case.waits.scaled(REPEAT_WINDOW)
    if case.now - end > PATIENCE:
        yield case.finding(Found.DOUBT, batch, first=first.started_at, end=end)


def _lane(case: Case) -> Iterator[Finding]:
    """Yield a lane with a batch that may be called, of which nothing was heard for long.

    That somebody rang for it is no sign of life: nobody may have answered.
    """
    if case.state not in BROADCAST_RUNNING or case.lane.is_closed:
        return
    lane, waits = case.lane, (BatchState.PLANNED, BatchState.UNKNOWN)
    due = min(
        (batch.not_before or case.row.published_at for batch in case.batches
         if batch.state in waits),
        default=None,
    )  # fmt: skip
    if due is None:
        return
    since = _last(
        due, lane.not_before, lane.doubt_until, lane.leased_until, lane.called_at,
        *(move.at for move in (*case.moves[-1:], *lane.moves[-1:])),
    )  # fmt: skip
    if case.now - since > PATIENCE:
        yield case.finding(Found.LANE, None, since=since)


def _broadcast(case: Case) -> Iterator[Finding]:
    row, lane = case.row, case.lane
    moved = [move.at for move in case.moves[-1:]]
    if case.state is BroadcastState.PLANNING and not lane.is_closed:
        lifted = [move.at for move in lane.moves[-1:]]
        since = _last(row.published_at, lane.not_before, *moved, *lifted)
        if case.now - since > PATIENCE:
            yield case.finding(Found.PLAN, None, since=since)
    if case.state is BroadcastState.SCHEDULED and row.scheduled_at is not None:
        since = _last(row.scheduled_at, *moved)
        if case.now - since > PATIENCE:
            yield case.finding(Found.SCHEDULE, None, since=since)


def _last(first: datetime, *others: datetime | None) -> datetime:
    return max([first, *(moment for moment in others if moment is not None)])
