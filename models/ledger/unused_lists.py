"""Runs of the plan's subtraction: the lists of those that do not count are removed.

A run stores its lists before one of them counts. The planner whose run came to its end clears up;
after one that was killed a sweep does.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, delete, or_, select, update

from broadcast.plan.chunk import KEPT, LEFT, SHRUNK
from broadcast.plan.subtraction import REASONS
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.engine import database_now, now, skips_locked
from models.ledger.transaction import read, write
from models.ledger.uploads import CHUNKS_AT_ONCE
from models.recipients import ChunkRow

#: No run that is under way can count any more.
_IS_DECIDED = BroadcastRow.subtraction.is_not(None) | (BroadcastRow.phase != Phase.PLANNING)


def mark(connection: Connection, broadcast_id: str) -> None:
    """Note that a run stores lists, in the transaction that stores some."""
    mine = BroadcastRow.id == broadcast_id
    connection.execute(update(BroadcastRow).where(mine).values(run_stored_at=database_now()))


def clear_one(engine: Engine) -> int:
    """Remove the lists that do not count of one broadcast that has some; return how many had."""
    with read(engine) as connection:
        some = BroadcastRow.run_stored_at <= now(connection)
        found = connection.scalar(select(BroadcastRow.id).where(some, _IS_DECIDED).limit(1))
    if found is None:
        return 0
    clear(engine, found)
    return 1


def clear(engine: Engine, broadcast_id: str) -> None:
    """Remove the lists of runs that do not count, a portion at a time.

    Where somebody holds the broadcast, the next sweep does it.
    """
    while write(engine, lambda connection: _clear_some(connection, broadcast_id)):
        pass


def _clear_some(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion; return whether there may be more. A run that is under way waits for it."""
    mine = BroadcastRow.id == broadcast_id
    held = select(BroadcastRow.subtraction).where(mine, _IS_DECIDED)
    row = connection.execute(held.with_for_update(skip_locked=skips_locked(connection))).first()
    if row is None:
        return False
    ofs = [ChunkRow.list.like(f"{what}.%") for what in (LEFT, *REASONS)]
    counts = [ChunkRow.list.like(f"%.{run}") for run in (row.subtraction, SHRUNK)]
    others = connection.scalars(
        select(ChunkRow.id)
        .where(ChunkRow.broadcast_id == broadcast_id)
        .where((or_(*ofs) & ~or_(*counts)) | ChunkRow.list.like(f"{KEPT}.%"))
        .limit(CHUNKS_AT_ONCE)
    ).all()
    connection.execute(delete(ChunkRow).where(ChunkRow.id.in_(others)))
    if not others:
        connection.execute(update(BroadcastRow).where(mine).values(run_stored_at=None))
    return bool(others)
