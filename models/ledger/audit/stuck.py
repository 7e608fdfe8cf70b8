"""Stuck: what waits for a worker, and none comes. A working installation moves it in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from broadcast.call.outcomes import Outcome
from broadcast.call.waits import REPEAT_WINDOW
from broadcast.gates import liveness
from broadcast.gates.liveness import STUCK, latest
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import BatchCase, Case
from models.ledger.lanes import LEASE


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
    alive = latest(call.started_at + LEASE, lane.signs.leased_until)
    if replaced or case.now - alive > STUCK:
        yield case.finding(Found.CALLING, batch, since=call.started_at, number=call.number)


def _doubt(case: Case, batch: BatchCase) -> Iterator[Finding]:
    called = [c for c in batch.calls if c.outcome is not Outcome.NOT_CALLED and not c.denied]
    taken = [call for call in called if call.maybe_sent or call.said_accepted]
    if not called:
        return
    first = (taken or called)[0]
    end = first.started_at + case.waits.scaled(REPEAT_WINDOW)
    if case.now - end > STUCK:
        yield case.finding(Found.DOUBT, batch, first=first.started_at, end=end)


def _lane(case: Case) -> Iterator[Finding]:
    """Yield a lane with a batch that may be called, of which nothing was heard for long."""
    if case.state not in BROADCAST_RUNNING or case.lane.is_closed:
        return
    due = [
        batch.not_before or case.row.published_at
        for batch in case.batches
        if batch.state in {BatchState.PLANNED, BatchState.UNKNOWN}
    ]
    since = liveness.of_lane(due, _moved_at(case), case.lane.signs)
    if since is not None and case.now - since > STUCK:
        yield case.finding(Found.LANE, None, since=since)


def _broadcast(case: Case) -> Iterator[Finding]:
    if case.state is BroadcastState.PLANNING and not case.lane.is_closed:
        since = liveness.of_plan(_moved_at(case), case.lane.signs)
        if case.now - since > STUCK:
            yield case.finding(Found.PLAN, None, since=since)
    if case.state is BroadcastState.SCHEDULED and case.row.scheduled_at is not None:
        since = latest(case.row.scheduled_at, _moved_at(case))
        if case.now - since > STUCK:
            yield case.finding(Found.SCHEDULE, None, since=since)


def _moved_at(case: Case) -> datetime:
    return latest(case.row.published_at, *(move.at for move in case.moves[-1:]))
