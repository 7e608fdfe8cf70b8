"""One batch as it stands, for whoever holds its lane."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import standing
from models.ledger.rows import HeldBatch, HeldBroadcast, columns, one

# Built once: building a statement costs as much as running it, and each record runs this one.
_BATCH = (
    select(
        *columns(HeldBatch, Batch, "gate_counter", "lane_waits_until", "due_at", "cancelled"),
        Lane.gate_counter,
        Lane.not_before.label("lane_waits_until"),
        BroadcastRow.due_at,
        standing.is_cancelled(Batch.broadcast_id).label("cancelled"),
    )
    .join(Lane, Lane.account == Batch.account)
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(Batch.id == bindparam("batch_id"))
)
_BROADCAST = select(*columns(HeldBroadcast, BroadcastRow)).where(
    BroadcastRow.id == bindparam("broadcast_id")
)


def held(connection: Connection, batch_id: int) -> HeldBatch:
    """Return a batch whose lane the caller holds, so that nobody moves it before the commit."""
    return one(connection, _BATCH, HeldBatch, {"batch_id": batch_id})


def broadcast(connection: Connection, broadcast_id: str) -> HeldBroadcast:
    """Return a broadcast whose lane the caller holds."""
    return one(connection, _BROADCAST, HeldBroadcast, {"broadcast_id": broadcast_id})
