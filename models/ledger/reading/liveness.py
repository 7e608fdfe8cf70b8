"""Signs of life on a lane, and what explains that there are none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from broadcast.gates.liveness import Liveness
from broadcast.states import BatchState
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.reading.next_work import NO_GATE
from models.ledger.rows import columns, one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What the lane's own row says."""

    leased_until: datetime | None
    not_before: datetime | None
    claimed_at: datetime | None
    recorded_at: datetime | None
    lifted_at: datetime | None


def of_lane(connection: Connection, account: str) -> Liveness:
    """Return what was heard of an account's lane last."""
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
        called_at=_last(signs.claimed_at, signs.recorded_at), lifted_at=signs.lifted_at,
    )  # fmt: skip


def _last(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
