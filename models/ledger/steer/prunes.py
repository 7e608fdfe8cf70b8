"""Pruning: OpenIDs, calls and history of what ended long ago go; figures, batches and keys stay.

A broadcast is marked under its lane's lock before anything of it goes, so that no retry begins with
half of it, and whatever was left behind when this process died is found by the mark. Each portion
is a transaction of its own, which no worker waits for long.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, exists, func, or_, select

from broadcast.frozen import frozen
from broadcast.rules.states import BATCH_AT_REST, BatchState, Phase
from models.base import change, change_where, count_of, value_of
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.event import Event
from models.ledger.lists.uploads import CHUNKS_AT_ONCE
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import read, reading, remove, write, writing
from models.recipients import ChunkRow, Skipped

#: WeChat counts messages of a month, and newer broadcasts are held against those of some days.
LEAST = timedelta(days=32)
#: WeChat may still recognise a clientmsgid, or report the end of a job.
CALLS_KEPT = timedelta(hours=48)
_ROWS_AT_ONCE = 500
#: A batch in doubt waits for a person.
_SETTLED = BATCH_AT_REST - {BatchState.IN_DOUBT}


@frozen
class Prunable:
    """How many broadcasts would go."""

    broadcasts: int = 0
    #: As old, and not at rest, or called just now.
    kept: int = 0


def _is_prunable(connection: Connection, older_than: timedelta) -> ColumnElement[bool]:
    moment = now(connection)
    mine = Batch.broadcast_id == BroadcastRow.id
    young = moment - CALLS_KEPT
    recent = or_(AttemptRow.started_at > young, AttemptRow.outcome_recorded_at > young)
    return and_(
        BroadcastRow.phase == Phase.ENDED,
        BroadcastRow.finished_at < moment - older_than,
        BroadcastRow.pruned_at.is_(None),
        ~exists().where(mine, or_(Batch.state.not_in(_SETTLED), Batch.poll_at.is_not(None))),
        ~exists().where(AttemptRow.batch_id == Batch.id, mine, recent),
    )


@reading
def prunable(connection: Connection, older_than: timedelta) -> Prunable:
    """Return how much of what ended so long ago would go."""
    goes = _is_prunable(connection, older_than)
    # What never ended is as old as its beginning.
    since = func.coalesce(BroadcastRow.finished_at, BroadcastRow.created_at)
    is_old = since < now(connection) - older_than
    return Prunable(
        broadcasts=count_of(connection, BroadcastRow, goes),
        kept=count_of(connection, BroadcastRow, is_old, BroadcastRow.pruned_at.is_(None), ~goes),
    )


def prune(engine: Engine, older_than: timedelta) -> int:
    """Prune what ended so long ago, and what a prune that died left behind; return how many."""
    ids = select(BroadcastRow.id).order_by(BroadcastRow.finished_at)
    with read(engine) as connection:
        begun = connection.scalars(ids.where(_was_left_half_done())).all()
        found = connection.scalars(ids.where(_is_prunable(connection, older_than))).all()
    done = 0
    for broadcast_id in chain(begun, (one for one in found if _mark(engine, one, older_than))):
        _clear(engine, broadcast_id)
        done += 1
    return done


def _was_left_half_done() -> ColumnElement[bool]:
    """What was marked and still has rows of before."""
    mine = Batch.broadcast_id == BroadcastRow.id
    return and_(
        BroadcastRow.pruned_at.is_not(None),
        or_(
            exists().where(ChunkRow.broadcast_id == BroadcastRow.id),
            exists().where(AttemptRow.batch_id == Batch.id, mine),
            exists().where(_is_of_before(BroadcastRow.id, BroadcastRow.pruned_at)),
        ),
    )


def _is_of_before(broadcast_id: Any, moment: Any) -> ColumnElement[bool]:
    return and_(Event.broadcast_id == broadcast_id, Event.at <= moment)


@writing
def _mark(connection: Connection, broadcast_id: str, older_than: timedelta) -> bool:
    """Mark a broadcast, unless it is called again or marked meanwhile; return whether it was."""
    lane_rows.lock_unless_ended(connection, broadcast_id)
    goes = _is_prunable(connection, older_than)
    if not count_of(connection, BroadcastRow, BroadcastRow.id == broadcast_id, goes):
        return False
    change(connection, BroadcastRow, broadcast_id, pruned_at=now(connection))
    return True


def _clear(engine: Engine, broadcast_id: str) -> None:
    """Remove the rows of a marked broadcast, a portion at a time."""
    with read(engine) as connection:
        mine = select(Batch.id).filter_by(broadcast_id=broadcast_id)
        ids = connection.scalars(mine).all()
        pruned_at = value_of(connection, broadcast_id, BroadcastRow.pruned_at)
    remove(engine, ChunkRow.id, ChunkRow.broadcast_id == broadcast_id, most=CHUNKS_AT_ONCE)
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        some = AttemptRow.batch_id.in_(ids[start : start + _ROWS_AT_ONCE])
        remove(engine, AttemptRow.id, some, most=_ROWS_AT_ONCE)
    lines = Skipped.broadcast_id == broadcast_id
    write(engine, lambda connection: change_where(connection, Skipped, lines, sample="[]"))
    remove(engine, Event.id, _is_of_before(broadcast_id, pruned_at), most=_ROWS_AT_ONCE)
