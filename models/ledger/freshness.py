"""Freshness: for what those who asked out or left were last taken out of a broadcast.

Who is in a batch is frozen at its first call. Until then people come and go: the batches without a
call are looked at again before one of them is called, on each new day, after each resume of the
broadcast and each unhalt of its account, after each pass over WeChat's list of followers, and after
anybody was put on the suppression list or was said to have left.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, Row, func, select, update

from broadcast import day
from models.account import Lane
from models.broadcast import BroadcastRow
from models.engine import now
from models.follower import FollowerSync
from models.ledger.reading.list_changes import Changes, changes
from models.ledger.transaction import read, write

_UNHALTED = select(Lane.breaker_since).where(Lane.account == BroadcastRow.account)
_SYNCED = select(func.max(FollowerSync.id)).where(
    FollowerSync.account == BroadcastRow.account, FollowerSync.run.is_not(None)
)
_STANDS = select(
    BroadcastRow.account,
    BroadcastRow.fresh_for,
    BroadcastRow.breaker_since.label("resumed"),
    func.coalesce(_UNHALTED.scalar_subquery(), 0).label("unhalted"),
    func.coalesce(_SYNCED.scalar_subquery(), 0).label("synced"),
)


def due(engine: Engine, broadcast_id: str) -> str | None:
    """Return for what a broadcast is to be looked at again; None: it was."""
    with read(engine) as connection:
        row = connection.execute(_STANDS.where(BroadcastRow.id == broadcast_id)).one()
        wanted = _of(connection, row)
    # One that was planned before anybody looked is as fresh as its plan.
    return None if row.fresh_for in {None, wanted} else wanted


def begin(engine: Engine, broadcast_id: str) -> None:
    """Record that the plan leaves people out now; what it did once it does not do again."""
    mine = (BroadcastRow.id == broadcast_id, BroadcastRow.fresh_for.is_(None))

    with read(engine) as connection:
        row = connection.execute(_STANDS.where(*mine)).first()
        wanted = None if row is None else _of(connection, row)
    if wanted is not None:
        statement = update(BroadcastRow).where(*mine).values(fresh_for=wanted)
        write(engine, lambda connection: connection.execute(statement))


def settle(engine: Engine, broadcast_id: str, wanted: str) -> None:
    """Record that a broadcast was looked at for *wanted*."""
    statement = update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(fresh_for=wanted)
    write(engine, lambda connection: connection.execute(statement))


def known(engine: Engine, broadcast_id: str, wanted: str) -> Changes | None:
    """Return up to where the lists of people were looked at; None: all is to be looked at."""
    query = select(BroadcastRow.fresh_for).where(BroadcastRow.id == broadcast_id)
    with read(engine) as connection:
        before, _, looked_at = str(connection.scalar(query)).rpartition("/")
    return Changes.parse(looked_at) if before == wanted.rpartition("/")[0] else None


def _of(connection: Connection, row: Row[str, str | None, int, int, int]) -> str:
    """Return what changes with the day in Shanghai and all that lets people come and go."""
    today = f"{day.start(now(connection)).astimezone(day.SHANGHAI):%Y-%m-%d}"
    lists = changes(connection, row.account)
    return f"{today}/{row.resumed}.{row.unhalted}.{row.synced}/{lists}"
