"""The calls of an account's day: how many are free, who needs them, what WeChat said of them.

Whoever counts the free calls in order to take some holds the lane's row, or two plans would both
see the last calls free.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, insert, select

from broadcast import day, plan
from broadcast.accounts import Account
from broadcast.states import BATCH_AT_REST, BROADCAST_AT_REST, BroadcastState
from models.account import QuotaDay
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import lanes
from models.ledger.transaction import write


def prove(
    connection: Connection,
    account: str,
    *,
    calls: int,
    at: datetime | None,
    spread: bool,
    quota: plan.Quota | None,
) -> plan.Proof:
    """Hold the *calls* of a broadcast that starts *at* (None: now) against the day of its start."""
    moment = now(connection)
    starts = max(moment, at or moment)
    if quota is not None and starts >= day.turn(moment):
        # What is used today says nothing about that day; only its size is known.
        limit = quota.daily_limit
        quota = plan.Quota(daily_limit=limit, used=0, remain=limit)
    taken = reserved(connection, account, but=None, on=starts)
    return plan.prove(calls=calls, quota=quota, reserved=taken, spread=spread)


def reserved(
    connection: Connection, account: str, *, but: str | None, on: datetime | None = None
) -> int:
    """Count the calls that other published broadcasts still need on the day of *on* (today)."""
    moment = now(connection)
    wanted = day.start(on or moment)
    waiting = (
        select(func.count())
        .select_from(Batch)
        .where(Batch.broadcast_id == BroadcastRow.id, Batch.state.not_in(list(BATCH_AT_REST)))
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            BroadcastRow.state, BroadcastRow.calls_planned, BroadcastRow.scheduled_at,
            waiting.label("waiting"),
        )
        .where(BroadcastRow.account == account, BroadcastRow.id != (but or ""))
        .where(BroadcastRow.state.not_in([BroadcastState.UPLOADING, *BROADCAST_AT_REST]))
    )  # fmt: skip
    return sum(
        # What is not cut yet, or not wholly, needs what it was proved with; a split batch more.
        row.calls_planned if row.state in _NOT_CUT else row.waiting
        for row in rows
        if day.start(max(moment, row.scheduled_at or moment)) == wanted
    )


_NOT_CUT = frozenset({BroadcastState.SCHEDULED, BroadcastState.PLANNING})


def remember(engine: Engine, account: Account, quota: plan.Quota) -> None:
    """Keep the newest answer of quota/get for this Shanghai day."""

    def work(connection: Connection) -> None:
        lanes.know(connection, account)
        lanes.hold(connection, account.name)
        moment = now(connection)
        today = moment.astimezone(day.SHANGHAI).date().isoformat()
        key = (QuotaDay.account == account.name, QuotaDay.day == today)
        connection.execute(delete(QuotaDay).where(*key))
        connection.execute(
            insert(QuotaDay).values(
                account=account.name, day=today, daily_limit=quota.daily_limit, used=quota.used,
                remain=quota.remain, asked_at=moment,
            )
        )  # fmt: skip

    write(engine, work)
