"""What the lane of a broadcast calls before it, and whether anybody drives that lane."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from broadcast.frozen import frozen
from broadcast.gates.liveness import Liveness
from broadcast.reports import Ahead, Doubtful, Driven
from broadcast.states import BatchState, Phase
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.reading.closed_gates import NO_GATE
from models.ledger.rows import columns, one

#: Most broadcasts that are named as going first.
MOST = 10


@frozen
class Place:
    """Where a broadcast stands in the line of its lane."""

    id: str
    account: str
    phase: Phase
    priority: int
    published_at: datetime | None
    moved_at: datetime | None
    created_at: datetime


def of(connection: Connection, place: Place, moment: datetime) -> Driven:
    """Return what is ahead of a broadcast at *moment*, and the signs of life on its lane."""
    return Driven(
        moved_at=place.moved_at or place.created_at,
        signs=signs_of_life(connection, place.account),
        ahead=_ahead(connection, place, moment) if place.phase is Phase.SENDING else Ahead(),
    )


def _ahead(connection: Connection, place: Place, moment: datetime) -> Ahead:
    from models.ledger.reading import next_work  # noqa: PLC0415 - not for what has ended

    whose = {"account": place.account, "moment": moment}
    doubt = connection.execute(next_work.DOUBTFUL, whose).first()
    others = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.account == place.account, BroadcastRow.id != place.id)
        .where(BroadcastRow.phase == Phase.SENDING, _goes_first(place, moment))
        .order_by(*next_work.ORDER)
        .limit(MOST),
        {"moment": moment},
    )
    return Ahead(
        doubt=None
        if doubt is None
        else Doubtful(
            broadcast_id=doubt.broadcast_id,
            n=doubt.n,
            reason=doubt.reason,
            until=doubt.not_before,
        ),
        broadcasts=tuple(others),
    )


def _goes_first(place: Place, moment: datetime) -> ColumnElement[bool]:
    """Return what is true of a broadcast that is being called, or is called before this one."""
    from models.ledger.reading import next_work  # noqa: PLC0415 - as above

    before = or_(
        BroadcastRow.priority > place.priority,
        and_(
            BroadcastRow.priority == place.priority,
            or_(
                BroadcastRow.published_at < place.published_at,
                and_(
                    BroadcastRow.published_at == place.published_at,
                    BroadcastRow.id < place.id,
                ),
            ),
        ),
    )
    due = or_(Batch.not_before.is_(None), Batch.not_before <= moment)
    return or_(
        exists().where(_OF_IT, Batch.state == BatchState.CALLING),
        and_(
            before,
            next_work.IS_UNDERSTOOD,
            NO_GATE,
            exists().where(_OF_IT, Batch.state == BatchState.PLANNED, due),
        ),
    )


_OF_IT = Batch.broadcast_id == BroadcastRow.id


@frozen
class _Signs:
    """What the lane's own row says."""

    leased_until: datetime | None
    not_before: datetime | None
    claimed_at: datetime | None
    recorded_at: datetime | None
    due_changed_at: datetime | None


def signs_of_life(connection: Connection, account: str) -> Liveness:
    """Return what was recorded of an account's lane last."""
    signs = one(connection, select(*columns(_Signs, Lane)).where(Lane.account == account), _Signs)
    doubt_until = connection.scalar(
        select(func.max(Batch.not_before))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        # One that a gate keeps from being repeated keeps nobody waiting.
        .where(Batch.account == account, Batch.state == BatchState.UNKNOWN, NO_GATE),
        {"moment": now(connection)},
    )
    return Liveness(
        leased_until=signs.leased_until, waits_until=signs.not_before, doubt_until=doubt_until,
        called_at=_last(signs.claimed_at, signs.recorded_at), due_changed_at=signs.due_changed_at,
    )  # fmt: skip


def _last(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
