"""How many of WeChat's own sends an account has had in a day or month, and has still to make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, bindparam, case, exists, func, select

from broadcast.call.path import SendPath
from broadcast.messages import Allowance
from broadcast.plan.audience import Everyone, Tag
from broadcast.states import BatchState, Phase
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.transaction import read

_ACCEPTED = [BatchState.ACCEPTED, BatchState.FINISHED]
#: WeChat may have taken it.
_DOUBTFUL = [BatchState.UNKNOWN, BatchState.IN_DOUBT]


def accepted(
    engine: Engine, account: str, allowance: Allowance, *, at: datetime | None = None
) -> int:
    """Return how many sends that count were accepted since the day or month of *at* began.

    None: the present one.
    """
    return _count(engine, account, allowance, states=_ACCEPTED, at=at)


def in_doubt(
    engine: Engine, account: str, allowance: Allowance, *, at: datetime | None = None
) -> int:
    """Return how many more WeChat may have taken since then: what nobody knows yet."""
    return _count(engine, account, allowance, states=_DOUBTFUL, at=at)


def _count(
    engine: Engine,
    account: str,
    allowance: Allowance,
    *,
    states: Sequence[BatchState],
    at: datetime | None,
) -> int:
    with read(engine) as connection:
        since = allowance.begins(at or now(connection))
        query = (
            select(func.count())
            .select_from(Batch)
            .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
            .where(Batch.account == account, Batch.path == SendPath.SENDALL)
            .where(Batch.state.in_(states))
            .where(Batch.first_called_at >= since)
        )
        if not allowance.tags_count:
            query = query.where(BroadcastRow.audience_kind == Everyone.kind)
        return connection.scalar(query) or 0


def broadcasts(engine: Engine, account: str, *, since: datetime) -> int:
    """Return how many broadcasts of an account, to whomever, were accepted since then."""
    with read(engine) as connection:
        return connection.scalar(_BROADCASTS, {"account": account, "since": since}) or 0


# Built once, as each submit runs it.
_BROADCASTS = select(func.count(Batch.broadcast_id.distinct())).where(
    Batch.account == bindparam("account"), Batch.state.in_(_ACCEPTED),
    Batch.first_called_at >= bindparam("since"),
)  # fmt: skip


def to_come(engine: Engine, account: str, allowance: Allowance, *, at: datetime) -> int:
    """Return how many sends that count are to be made in the day or month of *at*.

    What waits for its turn alone comes now. Those that :func:`in_doubt` counts are none of them.
    """
    begins, ends = allowance.begins(at), allowance.ends(at)
    doubtful = Batch.state.in_(_DOUBTFUL) & (Batch.first_called_at >= begins)
    done = exists().where(
        Batch.broadcast_id == BroadcastRow.id, Batch.state.in_(_ACCEPTED) | doubtful
    )
    kinds = [Everyone.kind, Tag.kind] if allowance.tags_count else [Everyone.kind]
    with read(engine) as connection:
        moment = now(connection)
        due = case((BroadcastRow.scheduled_at > moment, BroadcastRow.scheduled_at), else_=moment)
        query = (
            select(func.count())
            .select_from(BroadcastRow)
            .where(BroadcastRow.account == account)
            .where(BroadcastRow.phase.in_([Phase.PLANNING, Phase.SENDING]), ~done)
            .where(BroadcastRow.audience_kind.in_(kinds), due >= begins, due < ends)
        )
        return connection.scalar(query) or 0
