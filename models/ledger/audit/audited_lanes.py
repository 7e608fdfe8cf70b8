"""Audit of an account's lane: one call at a time, and no work that the sweep would not find.

Within one lease (one fence) a single thread calls, so a call has ended before the next one is
claimed; what is learned of it later does not move its end. A driver that was replaced may bring the
end of its call much later; its call then lasted, for the lane, until its lease had run out, which
is a lease after its claim at the earliest. A call without an end that another driver took over
proves nothing alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from broadcast.enums import is_recognised
from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.decide import window_end
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import REPEAT_WINDOW
from broadcast.rules.gates import lateness
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.lateness import STUCK, latest
from broadcast.rules.states import BatchState, Phase
from models.accounts import Lane
from models.batch_tables import OF_ACCOUNT, AttemptRow, Batch, GateRow
from models.engine import now
from models.ledger.audit import sets
from models.ledger.audit.case import (
    AuditedBatch,
    AuditedGate,
    AuditedLane,
    Case,
    Fact,
    Finding,
    Found,
)
from models.ledger.rows import lane_rows
from models.ledger.rows.lane_rows import LEASE
from models.ledger.rows.transaction import every_row, one_row, selected

#: Attempts of all accounts around those of a broadcast among which its neighbours are looked for.
_NEAR = 1_000


@frozen
class LaneCall:
    """One attempt on its lane."""

    account: str
    broadcast_id: str
    n: int
    number: int
    fence: int
    started_at: datetime
    ended_at: datetime | None


def check_lanes(
    connection: Connection, account: str, broadcast_id: str | None
) -> Iterator[Finding]:
    """Yield what is wrong on a lane; with an id only what concerns that broadcast."""
    lane = one_row(connection, selected(AuditedLane, Lane).filter_by(account=account), AuditedLane)
    yield from _due(connection, account, broadcast_id)
    calls = 0
    before: LaneCall | None = None
    for call in _calls(connection, account, broadcast_id):
        calls += 1
        if before is not None and broadcast_id in {None, before.broadcast_id, call.broadcast_id}:
            yield from _compare_neighbours(before, call)
        before = call
    if broadcast_id is not None:
        return
    if calls > lane.claims:
        yield _of_account(Found.CLAIMS, account, moves=lane.claims, attempts=calls)
    mine = selected(AuditedGate, GateRow).where(GateRow.account == account, OF_ACCOUNT)
    gates = every_row(connection, mine, AuditedGate)
    for found, facts in sets.contradictions(gates, lane.gate_counter):
        yield _of_account(found, account, **facts)


def _of_account(found: Found, account: str, **facts: Fact) -> Finding:
    return Finding(found=found, account=account, broadcast_id="", facts=facts)


def _due(connection: Connection, account: str, broadcast_id: str | None) -> Iterator[Finding]:
    """Yield broadcasts whose ``due_at`` is later than what they wait for: no sweep finds them."""
    moment = now(connection)
    for row in lane_rows.due_of_account(connection, account, moment):
        if row.wanted is None or broadcast_id not in {None, row.id}:
            continue
        if row.stored is None or row.stored > max(row.wanted, moment) + STUCK:
            yield Finding(
                found=Found.DUE,
                account=account,
                broadcast_id=row.id,
                facts={"since": row.wanted, "at": row.stored or "-"},
            )


def _calls(connection: Connection, account: str, broadcast_id: str | None) -> Iterator[LaneCall]:
    """Yield the calls of an account as they were written.

    Each was written while the lane's row was locked, so their ids are in the order of the claims.
    """
    query = (
        selected(LaneCall, AttemptRow, broadcast_id=Batch.broadcast_id, n=Batch.n)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .order_by(AttemptRow.id)
    )
    which = [AttemptRow.account == account]
    if broadcast_id is not None:
        which = _near(connection, account, broadcast_id)
    rows = connection.execute(query.where(*which).execution_options(yield_per=1_000))
    for row in rows.mappings():
        yield LaneCall(**row)


def _near(connection: Connection, account: str, broadcast_id: str) -> list[ColumnElement[bool]]:
    first, last = connection.execute(
        select(func.min(AttemptRow.id), func.max(AttemptRow.id))
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .filter_by(broadcast_id=broadcast_id)
    ).one()
    near = AttemptRow.id.between((first or 0) - _NEAR, (last or 0) + _NEAR)
    # The primary key answers it; the index on the account would lead to all its calls ever.
    return [near, AttemptRow.account.concat("") == account]


def _compare_neighbours(one: LaneCall, other: LaneCall) -> Iterator[Finding]:
    found = _pair_finding(one, other)
    if found is not None:
        yield Finding(
            found=found,
            account=other.account,
            broadcast_id=other.broadcast_id,
            n=other.n,
            facts={
                "number": other.number,
                "at": other.started_at,
                "other": one.broadcast_id,
                "other_n": one.n,
                "other_number": one.number,
                "end": one.ended_at or "-",
                "earlier": other.started_at,
                "later": one.started_at,
            },
        )


def _pair_finding(one: LaneCall, other: LaneCall) -> Found | None:
    """Return the finding about *one* and *other*, which was claimed later."""
    if other.started_at < one.started_at and other.fence >= one.fence:
        return Found.CLOCK
    if one.ended_at is not None and one.ended_at <= other.started_at:
        # A driver that claims with an old fence was replaced, even where nothing runs.
        return Found.OLD_FENCE if other.fence < one.fence else None
    if other.fence < one.fence:
        return Found.OLD_FENCE
    if other.fence > one.fence:
        soon = other.started_at < one.started_at + LEASE
        return Found.OVERLAP if one.ended_at is not None and soon else None
    return Found.NO_END if one.ended_at is None else Found.OVERLAP


def check_stuck(case: Case) -> Iterator[Finding]:
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
    since = lateness.of_lane([due], _moved_at(case), case.signs)
    if since is not None and case.now - since > STUCK:
        yield case.finding(Found.LANE, since=since)


def _stands(case: Case, gate: AuditedGate) -> bool:
    """Return whether a gate forbids the broadcast's calls until somebody opens it."""
    is_closed = gate.opened_at is None and gate.opens_at() is None
    return is_closed and gate.concerns(case.row.path)


#: No worker plans what is cancelled, or in a database that was restored.
_UNPLANNED = frozenset({GateKind.CANCEL, GateKind.RESTORED})


def _plan(case: Case) -> Iterator[Finding]:
    if any(gate.kind in _UNPLANNED for gate in case.gates if gate.opened_at is None):
        return
    standing = [gate for gate in case.own_gates if gate.opened_at is None]
    times = [gate.until for gate in standing if gate.kind is GateKind.SCHEDULE and gate.until]
    if times:
        since = latest(max(times), case.row.moved_at)
        if case.now - since > STUCK:
            yield case.finding(Found.SCHEDULE, since=since)
        return
    since = lateness.of_plan(_moved_at(case), case.signs)
    if case.now - since > STUCK:
        yield case.finding(Found.PLAN, since=since)


def _moved_at(case: Case) -> datetime:
    assert case.row.published_at is not None, "it is planned, or sent"
    return latest(case.row.published_at, case.row.moved_at)
