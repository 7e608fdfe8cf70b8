"""Signs of life on a lane, and what explains that there are none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from broadcast.events import LANE_STOPS, EventKind
from broadcast.gates.liveness import Liveness
from broadcast.states import BROADCAST_RUNNING, BatchState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.event import Event


def of_lane(connection: Connection, account: str) -> Liveness:
    """Return what was heard of an account's lane last."""
    calls = AttemptRow.account == account
    doubtful = (
        select(func.max(Batch.not_before))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(Batch.account == account, Batch.state == BatchState.UNKNOWN)
        .where(BroadcastRow.state.in_(BROADCAST_RUNNING))
    )
    switched = (
        select(func.max(Event.at))
        .where(Event.broadcast_id.is_(None), Event.account == account)
        .where(Event.kind.in_([*LANE_STOPS, EventKind.LANE_UNHALT]))
    )
    # Paused or cancelled, the broadcast of a doubtful batch holds the lane up no longer.
    in_doubt = select(Batch.broadcast_id).where(
        Batch.account == account, Batch.state.in_([BatchState.UNKNOWN, BatchState.IN_DOUBT])
    )
    moved = select(func.max(Event.at)).where(
        Event.broadcast_id.in_(in_doubt), Event.kind == EventKind.BROADCAST_MOVE
    )
    row = connection.execute(
        select(
            Lane.leased_until,
            Lane.not_before,
            doubtful.scalar_subquery().label("doubt_until"),
            select(func.max(AttemptRow.started_at)).where(calls).scalar_subquery().label("began"),
            select(func.max(AttemptRow.outcome_recorded_at))
            .where(calls)
            .scalar_subquery()
            .label("heard"),
            switched.scalar_subquery().label("switched_at"),
            moved.scalar_subquery().label("moved_at"),
        ).where(Lane.account == account)
    ).one()
    return Liveness(
        leased_until=row.leased_until, waits_until=row.not_before, doubt_until=row.doubt_until,
        called_at=_last(row.began, row.heard), lifted_at=_last(row.switched_at, row.moved_at),
    )  # fmt: skip


def _last(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
