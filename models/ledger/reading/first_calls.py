"""What the moment of a broadcast's first call is held against."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select

from broadcast.call.path import SendPath
from broadcast.gates.gate import Gate
from broadcast.gates.kinds import GateKind
from broadcast.gates.late import First
from models.account import Lane
from models.ledger.reading import closed_gates, held_rows
from models.ledger.rows import HeldBroadcast, HeldLane, columns, one


def attended(lane: HeldLane, gates: Iterable[Gate], path: SendPath) -> list[datetime]:
    """Return until when a lane was driven, or waited for what is no delay."""
    moments = [lane.claimed_at, lane.recorded_at, lane.day_wait_until, lane.doubt_wait_until]
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
    """Return it for a report; None where a first call is made, or none is to come yet."""
    broadcast = held_rows.broadcast(connection, broadcast_id)
    if broadcast.started_at is not None or broadcast.published_at is None:
        return None
    query = select(*columns(HeldLane, Lane)).where(Lane.account == broadcast.account)
    gates = closed_gates.of(connection, broadcast.account, broadcast_id)
    seen = attended(one(connection, query, HeldLane), gates, broadcast.path)
    opened = closed_gates.last_opened_at(connection, broadcast)
    return of(broadcast, seen, opened=opened)
