"""Sweeps: what was left behind and may go on. Any number of them at once is harmless.

A sweep writes nothing but "rung at"; it never touches a lane whose lease lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, Engine, or_, select, update

from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import moves, submits
from models.ledger.transaction import write

#: A ring that nobody answered for this long is repeated: the broker may have lost it.
RING_AGAIN = timedelta(seconds=4)
UPLOAD_FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rings:
    """What to ring for."""

    plans: list[str] = field(default_factory=list)
    #: (account, a broadcast of it that waits)
    lanes: list[tuple[str, str]] = field(default_factory=list)


def due(engine: Engine) -> Rings:
    """Find plans and lanes that wait for nobody but a worker, and mark them as rung."""
    return write(engine, _due)


def _due(connection: Connection) -> Rings:
    stale = now(connection) - RING_AGAIN
    plans = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.state == BroadcastState.PLANNING)
        .where(or_(BroadcastRow.rung_at.is_(None), BroadcastRow.rung_at < stale))
        .order_by(BroadcastRow.published_at)
    ).all()
    if plans:
        connection.execute(
            update(BroadcastRow)
            .where(BroadcastRow.id.in_(plans))
            .values(rung_at=now(connection))
        )
    lanes = _due_lanes(connection)
    if lanes:
        connection.execute(
            update(Lane)
            .where(Lane.account.in_([account for account, _ in lanes]))
            .values(rung_at=now(connection))
        )
    return Rings(plans=list(plans), lanes=lanes)


def _due_lanes(connection: Connection) -> list[tuple[str, str]]:
    """Return free lanes with a batch that may be called now, each with one broadcast of it."""
    moment = now(connection)
    rows = connection.execute(
        select(Batch.account, Batch.broadcast_id)
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .join(Lane, Lane.account == Batch.account)
        .where(
            BroadcastRow.state.in_(BROADCAST_RUNNING),
            or_(
                Batch.state == BatchState.CALLING,
                Batch.state.in_([BatchState.PLANNED, BatchState.UNKNOWN])
                & or_(Batch.not_before.is_(None), Batch.not_before <= moment),
            ),
            or_(Lane.leased_until.is_(None), Lane.leased_until <= moment),
            or_(Lane.not_before.is_(None), Lane.not_before <= moment),
            or_(Lane.rung_at.is_(None), Lane.rung_at < moment - RING_AGAIN),
            Lane.stopped_at.is_(None),
            Lane.halted_at.is_(None),
        )
        .distinct()
    )
    first: dict[str, str] = {}
    for account, broadcast_id in rows:
        first[account] = min(first.get(account, broadcast_id), broadcast_id)
    return sorted(first.items())


def launch_due(engine: Engine) -> list[str]:
    """Move the broadcasts whose time has come on to planning; return their ids."""

    def work(connection: Connection) -> list[str]:
        ids = connection.scalars(
            select(BroadcastRow.id)
            .where(BroadcastRow.state == BroadcastState.SCHEDULED)
            .where(BroadcastRow.scheduled_at <= now(connection))
            .with_for_update()
        ).all()
        for broadcast_id in ids:
            moves.move_broadcast(
                connection, broadcast_id, BroadcastState.PLANNING, rung_at=now(connection)
            )
        return list(ids)

    return write(engine, work)


def forget_uploads(engine: Engine) -> int:
    """Remove uploads that died an hour ago and were never published; return how many."""

    def work(connection: Connection) -> int:
        dead = connection.scalars(
            select(BroadcastRow.id)
            .where(BroadcastRow.state == BroadcastState.UPLOADING)
            .where(BroadcastRow.uploading_at < now(connection) - UPLOAD_FORGOTTEN)
            .limit(1)
        ).all()
        for broadcast_id in dead:
            submits.clear(connection, broadcast_id)
        return len(dead)

    return write(engine, work)
