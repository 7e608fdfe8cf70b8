"""Silence: since when no driver has shown itself on a lane that may go on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, func, select

from broadcast.events import EventKind
from broadcast.states import BROADCAST_RUNNING, BatchState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.event import Event
from models.ledger.transaction import read


def since(engine: Engine, account: str) -> datetime | None:
    """Return the last moment that explains why nothing is called; None where there is none.

    That is a lease, a call or its reply, the end of the lane's wait, an unhalt, or the next call of
    a doubtful batch, which goes before all others. A ring is no sign of a driver. Raises
    DatabaseAwayError.
    """
    calls = AttemptRow.account == account
    doubtful = (
        select(func.max(Batch.not_before))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(Batch.account == account, Batch.state == BatchState.UNKNOWN)
        .where(BroadcastRow.state.in_(BROADCAST_RUNNING))
    )
    unhalted = select(func.max(Event.at)).where(
        Event.broadcast_id.is_(None), Event.account == account, Event.kind == EventKind.LANE_UNHALT
    )
    with read(engine) as connection:
        row = connection.execute(
            select(
                Lane.leased_until,
                Lane.not_before,
                select(func.max(AttemptRow.started_at)).where(calls).scalar_subquery(),
                select(func.max(AttemptRow.heard_at)).where(calls).scalar_subquery(),
                doubtful.scalar_subquery(),
                unhalted.scalar_subquery(),
            ).where(Lane.account == account)
        ).first()
    return max((moment for moment in row or () if moment is not None), default=None)
