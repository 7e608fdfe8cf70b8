"""What is asked of an account's lane: one call at a time, and nobody whom the sweep would not find.

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

from broadcast.frozen import frozen
from broadcast.gates.liveness import STUCK
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.engine import now
from models.gate import GateRow
from models.ledger import due
from models.ledger.audit import stops
from models.ledger.audit.case import AuditedGate, AuditedLane
from models.ledger.audit.findings import Fact, Finding, Found
from models.ledger.lanes import LEASE
from models.ledger.rows import columns, every, one

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


def check(connection: Connection, account: str, broadcast_id: str | None) -> Iterator[Finding]:
    """Yield what is wrong on a lane; with an id only what concerns that broadcast."""
    lane = one(
        connection, select(*columns(AuditedLane, Lane)).where(Lane.account == account), AuditedLane
    )
    yield from _due(connection, account, broadcast_id)
    calls = 0
    before: LaneCall | None = None
    for call in _calls(connection, account, broadcast_id):
        calls += 1
        if before is not None and broadcast_id in {None, before.broadcast_id, call.broadcast_id}:
            yield from _meet(before, call)
        before = call
    if broadcast_id is not None:
        return
    if calls > lane.claims:
        yield _of_account(Found.CLAIMS, account, moves=lane.claims, attempts=calls)
    mine = select(*columns(AuditedGate, GateRow)).where(
        GateRow.account == account, GateRow.broadcast_id == ""
    )
    gates = every(connection, mine, AuditedGate)
    for found, facts in stops.contradictions(gates, lane.gate_counter):
        yield _of_account(found, account, **facts)


def _of_account(found: Found, account: str, **facts: Fact) -> Finding:
    return Finding(found=found, account=account, broadcast_id="", facts=facts)


def _due(connection: Connection, account: str, broadcast_id: str | None) -> Iterator[Finding]:
    """Yield broadcasts whose ``due_at`` is later than what they wait for: no sweep finds them."""
    moment = now(connection)
    for row in due.of_account(connection, account, moment):
        if row.wanted is None or broadcast_id not in {None, row.id}:
            continue
        if row.stored is None or row.stored > max(row.wanted, moment) + STUCK:
            yield Finding(
                found=Found.DUE, account=account, broadcast_id=row.id,
                facts={"since": row.wanted, "at": row.stored or "-"},
            )  # fmt: skip


def _calls(connection: Connection, account: str, broadcast_id: str | None) -> Iterator[LaneCall]:
    """Yield the calls of an account as they were written.

    Each was written while the lane's row was held, so their ids are in the order of the claims.
    """
    query = (
        select(
            AttemptRow.account, Batch.broadcast_id, Batch.n, AttemptRow.number, AttemptRow.fence,
            AttemptRow.started_at, AttemptRow.ended_at,
        )
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .order_by(AttemptRow.id)
    )  # fmt: skip
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
        .where(Batch.broadcast_id == broadcast_id)
    ).one()
    near = AttemptRow.id.between((first or 0) - _NEAR, (last or 0) + _NEAR)
    # The primary key answers it; the index on the account would lead to all its calls ever.
    return [near, AttemptRow.account.concat("") == account]


def _meet(one: LaneCall, other: LaneCall) -> Iterator[Finding]:
    found = _found(one, other)
    if found is not None:
        yield Finding(
            found=found, account=other.account, broadcast_id=other.broadcast_id, n=other.n,
            facts={
                "number": other.number, "at": other.started_at, "other": one.broadcast_id,
                "other_n": one.n, "other_number": one.number, "end": one.ended_at or "-",
                "earlier": other.started_at, "later": one.started_at,
            },
        )  # fmt: skip


def _found(one: LaneCall, other: LaneCall) -> Found | None:
    """Return how *other*, which was claimed later, meets *one*."""
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
