"""Broadcasts that are cancelled before their list comes: they end so, and never have one.

Whoever stores the list meanwhile can add and publish nothing more. What was stored of it is removed
in portions, by whoever cancels, and else by a sweep: the broadcast is due until nothing is left.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, and_, exists, select, update

from broadcast.states import Phase
from models.broadcast import BroadcastRow, Submission
from models.engine import skips_locked
from models.ledger import due, uploads
from models.ledger.reading import ids
from models.ledger.rows import change
from models.ledger.transaction import write
from models.upload import UploadRow

#: What is true of a broadcast of whose list something may be left.
HAS_A_REST: Final = and_(
    BroadcastRow.phase == Phase.ENDED, BroadcastRow.published_at.is_(None),
    BroadcastRow.due_at.is_not(None),
)  # fmt: skip


def take(connection: Connection, broadcast_id: str) -> None:
    """Take a broadcast away from whoever stores its list; its key stands for it as it is.

    The lane is held by the caller, who ends the broadcast. Raises ConflictError where its list does
    not come in a request of its own, and UnknownIdError where it was given up.
    """
    awaited = exists().where(UploadRow.broadcast_id == BroadcastRow.id)
    taken = connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None), awaited)
        .values(uploading_at=None, planned=0, calls_planned=0)
    )
    if taken.rowcount != 1:
        raise ids.not_stored(connection, broadcast_id)
    row = connection.execute(
        select(BroadcastRow.account, BroadcastRow.key, UploadRow.digest)
        .join(UploadRow, UploadRow.broadcast_id == BroadcastRow.id)
        .where(BroadcastRow.id == broadcast_id)
    ).one()
    connection.execute(
        update(Submission)
        .where(Submission.account == row.account, Submission.key == row.key)
        .values(body_digest=row.digest)
    )


def leave_the_rest(connection: Connection, broadcast_id: str) -> None:
    """Have a sweep remove what was stored of the list, of a broadcast that has just ended."""
    change(connection, BroadcastRow, broadcast_id, due_at=due.AT_ONCE)


def one_with_a_rest(connection: Connection) -> str | None:
    """Return a broadcast of whose list something may be left; one that is held is passed by."""
    query = select(BroadcastRow.id).where(HAS_A_REST).limit(1)
    return connection.scalar(query.with_for_update(skip_locked=skips_locked(connection)))


def clear(engine: Engine, broadcast_id: str) -> None:
    """Remove what was stored of the list, in short transactions; any number may do so at once."""
    while write(engine, lambda connection: _clear_some(connection, broadcast_id)):
        pass


def _clear_some(connection: Connection, broadcast_id: str) -> bool:
    mine = BroadcastRow.id == broadcast_id
    query = select(BroadcastRow.id).where(mine, HAS_A_REST).with_for_update()
    if connection.scalar(query) is None:
        return False
    if uploads.drop_chunks(connection, broadcast_id):
        return True
    connection.execute(update(BroadcastRow).where(mine).values(due_at=None))
    return False
