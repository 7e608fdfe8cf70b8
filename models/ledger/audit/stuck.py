"""Stuck: what waits for a worker, and none comes. A working installation moves it in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from broadcast.call.attempts import Attempt
from broadcast.call.decide import window_end
from broadcast.call.outcomes import Outcome
from broadcast.call.waits import REPEAT_WINDOW
from broadcast.enums import is_recognised
from broadcast.gates import liveness
from broadcast.gates.kinds import GateKind
from broadcast.gates.liveness import STUCK, latest
from broadcast.states import BatchState, Phase
from models.ledger.audit.case import AuditedBatch, AuditedGate, Case
from models.ledger.audit.findings import Finding, Found
from models.ledger.lanes import LEASE


def check(case: Case) -> Iterator[Finding]:
    """Yield what no worker drives although it may go on."""
    for batch in case.batches:
        if batch.state is BatchState.CALLING:
            yield from _calling(case, batch)
        elif batch.state is BatchState.UNKNOWN and batch.is_understood:
            yield from _doubt(case, batch)
        elif not is_recognised(batch.state) and case.now - _moved_at(case) > STUCK:
            yield case.finding(Found.STATE, batch, state=batch.state.value)
    if case.row.phase is Phase.SENDING:
        yield from _lane(case)
    elif case.row.phase is Phase.PLANNING:
        yield from _plan(case)


def _calling(case: Case, batch: AuditedBatch) -> Iterator[Finding]:
    """Yield a call whose driver is gone; who takes a lane over adopts what was left on it."""
    if not batch.calls:
        return
    call = batch.calls[-1]
    alive = latest(call.started_at + LEASE, case.signs.leased_until)
    if case.lane.fence > call.fence or case.now - alive > STUCK:
        yield case.finding(Found.CALLING, batch, since=call.started_at, number=call.number)


def _doubt(case: Case, batch: AuditedBatch) -> Iterator[Finding]:
    called = [
        Attempt(number=call.number, outcome=call.outcome, started_at=call.started_at)
        for call in batch.calls
        if call.outcome is not Outcome.NOT_CALLED and not call.denied
    ]
    if not called:
        return
    end = window_end(called, case.waits)
    if case.now - end > STUCK:
        first = end - case.waits.scaled(REPEAT_WINDOW)
        yield case.finding(Found.DOUBT, batch, first=first, end=end)


def _lane(case: Case) -> Iterator[Finding]:
    """Yield a lane with something to do, of which nothing was seen for long."""
    due = case.row.due_at
    waits = any(b.state in {BatchState.PLANNED, BatchState.UNKNOWN} for b in case.batches)
    if due is None or not waits or any(_stands(case, gate) for gate in case.gates):
        return
    since = liveness.of_lane([due], _moved_at(case), case.signs)
    if since is not None and case.now - since > STUCK:
        yield case.finding(Found.LANE, since=since)


def _stands(case: Case, gate: AuditedGate) -> bool:
    """Return whether a gate forbids the broadcast's calls until somebody opens it."""
    concerns = gate.path in {None, case.row.path}
    return gate.opened_at is None and gate.opens_at() is None and concerns


def _plan(case: Case) -> Iterator[Finding]:
    standing = [gate for gate in case.own_gates if gate.opened_at is None]
    if any(gate.kind is GateKind.CANCEL for gate in standing):
        return
    times = [gate.until for gate in standing if gate.kind is GateKind.SCHEDULE and gate.until]
    if times:
        since = latest(max(times), case.row.moved_at)
        if case.now - since > STUCK:
            yield case.finding(Found.SCHEDULE, since=since)
        return
    since = liveness.of_plan(_moved_at(case), case.signs)
    if case.now - since > STUCK:
        yield case.finding(Found.PLAN, since=since)


def _moved_at(case: Case) -> datetime:
    assert case.row.published_at is not None, "it is planned, or sent"
    return latest(case.row.published_at, case.row.moved_at)
