"""Driven: what the lane of a broadcast calls before it, and whether anybody drives that lane."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from broadcast.events import EventKind
from broadcast.reports import Ahead, Doubtful, Driven
from broadcast.states import BROADCAST_RUNNING, BatchState
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.event import Event
from models.ledger.reading import liveness, next_work
from models.ledger.transaction import AnyRow

#: Most broadcasts that are told to go first.
MOST = 10


def of(connection: Connection, broadcast: AnyRow, moment: datetime) -> Driven:
    """Return what is ahead of a broadcast at *moment*, and the signs of life on its lane."""
    moved_at = connection.scalar(
        select(func.max(Event.at)).where(
            Event.broadcast_id == broadcast.id, Event.kind == EventKind.BROADCAST_MOVE
        )
    )
    running = broadcast.state in BROADCAST_RUNNING
    return Driven(
        moved_at=moved_at or broadcast.created_at,
        signs=liveness.of_lane(connection, broadcast.account),
        ahead=_ahead(connection, broadcast, moment) if running else Ahead(),
    )


def _ahead(connection: Connection, broadcast: AnyRow, moment: datetime) -> Ahead:
    doubt = connection.execute(next_work.DOUBTFUL, {"account": broadcast.account}).first()
    others = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.account == broadcast.account, BroadcastRow.id != broadcast.id)
        .where(BroadcastRow.state.in_(BROADCAST_RUNNING), _goes_first(broadcast, moment))
        .order_by(*next_work.ORDER)
        .limit(MOST)
    )
    return Ahead(
        doubt=doubt and _doubtful(doubt),
        broadcasts=tuple(others),
    )


def _doubtful(batch: AnyRow) -> Doubtful:
    return Doubtful(
        broadcast_id=batch.broadcast_id, n=batch.n, reason=batch.reason, until=batch.not_before
    )


def _goes_first(broadcast: AnyRow, moment: datetime) -> ColumnElement[bool]:
    """Return what is true of a broadcast that is being called, or is called before this one."""
    before = or_(
        BroadcastRow.priority > broadcast.priority,
        and_(
            BroadcastRow.priority == broadcast.priority,
            or_(
                BroadcastRow.published_at < broadcast.published_at,
                and_(
                    BroadcastRow.published_at == broadcast.published_at,
                    BroadcastRow.id < broadcast.id,
                ),
            ),
        ),
    )
    due = or_(Batch.not_before.is_(None), Batch.not_before <= moment)
    return or_(
        exists().where(_OF_IT, Batch.state == BatchState.CALLING),
        before & exists().where(_OF_IT, Batch.state == BatchState.PLANNED, due),
    )


_OF_IT = Batch.broadcast_id == BroadcastRow.id
