"""One batch, one broadcast, for a transaction that holds their lane."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, exists, or_, select, true
from sqlalchemy.orm import aliased

from broadcast.states import BATCH_AT_REST
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import database_now
from models.gate import GateRow
from models.ledger.reading import closed_gates
from models.ledger.rows import HeldBatch, HeldBroadcast, columns, one

_OTHER = aliased(Batch)
_FROM_ELSEWHERE = (
    "gate_counter", "lane_waits_until", "due_at", "cancelled", "others_open", "any_denied",
    "now",
)  # fmt: skip
# Built once: building a statement costs as much as running it, and each record runs this one.
_BATCH = (
    select(
        *columns(HeldBatch, Batch, *_FROM_ELSEWHERE),
        Lane.gate_counter,
        database_now().label("now"),
        Lane.not_before.label("lane_waits_until"),
        BroadcastRow.due_at,
        closed_gates.is_cancelled(Batch.broadcast_id).label("cancelled"),
        # The last are open the longest: from the end of the index the look is a short one.
        select(_OTHER.id)
        .where(_OTHER.broadcast_id == Batch.broadcast_id, _OTHER.id != Batch.id)
        .where(_OTHER.state.not_in(list(BATCH_AT_REST)))
        .order_by(_OTHER.n.desc())
        .limit(1)
        .scalar_subquery()
        .is_not(None)
        .label("others_open"),
        exists()
        .where(AttemptRow.batch_id == Batch.id, AttemptRow.denied.is_(true()))
        .label("any_denied"),
    )
    .join(Lane, Lane.account == Batch.account)
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(Batch.id == bindparam("batch_id"))
)
_GATE = exists().where(GateRow.account == BroadcastRow.account, GateRow.opened_at.is_(None))
_BROADCAST = select(
    *columns(HeldBroadcast, BroadcastRow, "has_gates", "now"),
    database_now().label("now"),
    or_(
        _GATE.where(GateRow.broadcast_id == ""),
        _GATE.where(GateRow.broadcast_id == BroadcastRow.id),
    ).label("has_gates"),
).where(BroadcastRow.id == bindparam("broadcast_id"))


def batch(connection: Connection, batch_id: int) -> HeldBatch:
    """Return a batch whose lane the caller holds, so that nobody moves it before the commit."""
    return one(connection, _BATCH, HeldBatch, {"batch_id": batch_id})


def broadcast(connection: Connection, broadcast_id: str) -> HeldBroadcast:
    """Return a broadcast whose lane the caller holds."""
    return one(connection, _BROADCAST, HeldBroadcast, {"broadcast_id": broadcast_id})
