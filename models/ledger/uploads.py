"""Uploads: lists stored in chunks, and what ends unpublished, given up and removed in portions.

All chunks of ten million OpenIDs in one statement would hold up every other writer of SQLite for
seconds, and MySQL would cut it off each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, or_, select, update

from broadcast.plan.chunk import ASKED, Chunk
from broadcast.states import Phase
from models.broadcast import BroadcastRow, Submission
from models.engine import now
from models.ledger import files, upload_beat
from models.ledger.transaction import write
from models.recipients import ChunkRow, Skipped
from models.upload import UploadRow

#: Chunks per transaction, so that no write on SQLite holds others up for over 100 ms.
CHUNKS_AT_ONCE = 20


def add_chunks(
    engine: Engine,
    broadcast_id: str,
    chunks: Iterable[Chunk],
    *,
    name: str = ASKED,
    fence: int | None = None,
) -> None:
    """Store chunks of a list in short transactions, each of which shows that the upload lives.

    Raises TakenOverError if the upload was given up meanwhile, or by another try than *fence*.
    """
    rest = iter(chunks)
    while some := list(islice(rest, CHUNKS_AT_ONCE)):
        rows = [chunk_row(broadcast_id, name, chunk) for chunk in some]

        def work(connection: Connection, rows: list[dict[str, Any]] = rows) -> None:
            upload_beat.alive(connection, broadcast_id, fence=fence)
            connection.execute(insert(ChunkRow), rows)

        write(engine, work)


def chunk_row(broadcast_id: str, name: str, chunk: Chunk) -> dict[str, Any]:
    """Return a chunk as it is stored."""
    return {
        "broadcast_id": broadcast_id, "list": name, "start": chunk.start, "size": chunk.size,
        "first_openid": chunk.first, "last_openid": chunk.last, "openids": chunk.packed,
    }  # fmt: skip


def silent_for(connection: Connection, silence: timedelta) -> ColumnElement[bool]:
    """Return what is true of an upload that was silent for so long, or was given up."""
    late = now(connection) - silence
    return or_(BroadcastRow.uploading_at.is_(None), BroadcastRow.uploading_at <= late)


def give_up(connection: Connection, broadcast_id: str) -> None:
    """Take an upload away from its owner, which can then neither add to it nor publish it.

    Its chunks go in many transactions, and one that lost some of them must never be published. The
    key of a list that never came is free from here on.
    """
    connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .values(uploading_at=None)
    )
    awaited = connection.execute(
        select(BroadcastRow.account, BroadcastRow.key)
        .join(UploadRow, UploadRow.broadcast_id == BroadcastRow.id)
        .where(BroadcastRow.id == broadcast_id)
    ).first()
    if awaited is not None:
        connection.execute(
            delete(Submission)
            .where(Submission.account == awaited.account, Submission.key == awaited.key)
            .where(Submission.broadcast_id == broadcast_id, Submission.body_digest.is_(None))
        )


def clear(engine: Engine, broadcast_id: str) -> None:
    """Remove an upload that was given up and all it stored, in short transactions, itself last.

    Any number may clear one at once. A published broadcast, and an upload that was not given up,
    are never removed here.
    """
    while write(engine, lambda connection: _clear_some(connection, broadcast_id)):
        pass


def _clear_some(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion of an upload; return whether there is more."""
    given_up = connection.scalar(
        select(BroadcastRow.id)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_(None))
        .with_for_update()
    )
    if given_up is None:
        # Cleared by another, or published by a commit whose answer was lost: its chunks are what
        # will be sent.
        return False
    if drop_chunks(connection, broadcast_id):
        return True
    if files.drop_some(connection, broadcast_id):
        return True
    connection.execute(delete(Skipped).where(Skipped.broadcast_id == broadcast_id))
    connection.execute(delete(UploadRow).where(UploadRow.broadcast_id == broadcast_id))
    connection.execute(delete(BroadcastRow).where(BroadcastRow.id == broadcast_id))
    return False


def drop_chunks(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion of the chunks of an upload; return whether there was any."""
    chunks = connection.scalars(
        select(ChunkRow.id).where(ChunkRow.broadcast_id == broadcast_id).limit(CHUNKS_AT_ONCE)
    ).all()
    if chunks:
        connection.execute(delete(ChunkRow).where(ChunkRow.id.in_(chunks)))
    return bool(chunks)


def abandon(engine: Engine, broadcast_id: str) -> None:
    """Forget an upload that was not published: nothing stays half stored."""
    write(engine, lambda connection: give_up(connection, broadcast_id))
    clear(engine, broadcast_id)
