"""What the moment of a broadcast's first call is held against."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, select

from broadcast.call.outcomes import BEGINS_NOTHING
from broadcast.call.path import SendPath
from broadcast.gates.gate import Gate
from broadcast.gates.kinds import GateKind
from broadcast.gates.late import First
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import closed_gates
from models.ledger.rows import HeldBroadcast, HeldLane, columns, one

#: A call of it came back with a word other than those that begin nothing. A claim of which nothing
#: is recorded is no beginning: its worker may have died before the call.
BEGUN: ColumnElement[bool] = (
    exists()
    .where(Batch.broadcast_id == BroadcastRow.id, AttemptRow.batch_id == Batch.id)
    .where(AttemptRow.outcome.not_in(list(BEGINS_NOTHING)))
    .correlate(BroadcastRow)
)


def is_begun(connection: Connection, broadcast_id: str) -> bool:
    """Return whether a broadcast has begun: from then on it goes on, however late."""
    return bool(connection.scalar(select(BEGUN).where(BroadcastRow.id == broadcast_id)))


def attended(lane: HeldLane, gates: Iterable[Gate], path: SendPath) -> list[datetime]:
    """Return until when a lane was driven, or waited for what is no delay."""
    moments = [lane.recorded_at, lane.day_wait_until, lane.doubt_wait_until]
    moments += [gate.until for gate in gates if gate.kind is GateKind.QUOTA and gate.concerns(path)]
    return [moment for moment in moments if moment is not None]


def of(broadcast: HeldBroadcast, seen: list[datetime], *, opened: datetime | None = None) -> First:
    """Return it for a lane that was attended at *seen*; *opened*: when its last gate opened."""
    due = [broadcast.published_at, broadcast.scheduled_at, opened]
    return First(
        due=max(moment for moment in due if moment is not None), attended=seen,
        unattended_s=broadcast.unattended_s, unattended_at=broadcast.unattended_at,
        late_by_s=broadcast.late_by_s,
    )  # fmt: skip


def read(connection: Connection, broadcast_id: str) -> First | None:
    """Return it for the report of a published broadcast; None where it has begun."""
    if is_begun(connection, broadcast_id):
        return None
    from models.ledger.reading import held_rows  # noqa: PLC0415 - not for what has begun

    broadcast = held_rows.broadcast(connection, broadcast_id)
    query = select(*columns(HeldLane, Lane)).where(Lane.account == broadcast.account)
    gates = closed_gates.of(connection, broadcast.account, broadcast_id)
    seen = attended(one(connection, query, HeldLane), gates, broadcast.path)
    opened = closed_gates.last_opened_at(connection, broadcast)
    return of(broadcast, seen, opened=opened)
