"""Uploads: lists stored in chunks, and what ends unpublished, given up and removed in portions.

All chunks of ten million OpenIDs in one statement would hold up every other writer of SQLite for
seconds, and MySQL would cut it off each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from broadcast.rules import media
from broadcast.rules.media import KeptFile
from broadcast.rules.plan.cut import ASKED, Chunk
from broadcast.rules.plan.submission import TakenOverError
from broadcast.rules.states import Phase
from models.base import change, delete_some, is_so
from models.broadcast_tables import BroadcastRow, Submission, UploadRow
from models.engine import now
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import read, write
from models.media import LONGEST_NAME, FilePieceRow, KeptFileRow
from models.recipients import ChunkRow, Skipped

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
            keep_upload_alive(connection, broadcast_id, fence=fence)
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
    """Revoke an upload from its owner, which can then neither add to it nor publish it.

    Its chunks go in many transactions, and one that lost some of them must never be published. The
    key of a list that never came is free from here on.
    """
    connection.execute(
        update(BroadcastRow)
        .filter_by(id=broadcast_id, phase=Phase.UPLOADING)
        .values(uploading_at=None)
    )
    awaited = connection.execute(
        select(BroadcastRow.account, BroadcastRow.key)
        .join(UploadRow, UploadRow.broadcast_id == BroadcastRow.id)
        .filter_by(id=broadcast_id)
    ).first()
    if awaited is not None:
        connection.execute(
            delete(Submission).filter_by(
                account=awaited.account,
                key=awaited.key,
                broadcast_id=broadcast_id,
                body_digest=None,
            )
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
        .filter_by(id=broadcast_id, phase=Phase.UPLOADING, uploading_at=None)
        .with_for_update()
    )
    if given_up is None:
        # Cleared by another, or published by a commit whose answer was lost: its chunks are what
        # will be sent.
        return False
    if drop_chunks(connection, broadcast_id):
        return True
    if drop_files(connection, broadcast_id):
        return True
    connection.execute(delete(Skipped).filter_by(broadcast_id=broadcast_id))
    connection.execute(delete(UploadRow).filter_by(broadcast_id=broadcast_id))
    connection.execute(delete(BroadcastRow).filter_by(id=broadcast_id))
    return False


def drop_chunks(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion of the chunks of an upload; return whether there was any."""
    mine = ChunkRow.broadcast_id == broadcast_id
    return bool(delete_some(connection, ChunkRow.id, mine, most=CHUNKS_AT_ONCE))


def abandon(engine: Engine, broadcast_id: str) -> None:
    """Forget an upload that was not published: nothing stays half stored."""
    write(engine, lambda connection: give_up(connection, broadcast_id))
    clear(engine, broadcast_id)


#: An upload that was silent for this long is given up.
GIVEN_UP_AFTER: Final = timedelta(hours=1)
#: So long a list may be awaited before its id is forgotten.
AWAITED_FOR: Final = timedelta(hours=24)


def keep_upload_alive(
    connection: Connection, broadcast_id: str, *, fence: int | None = None
) -> None:
    """Show that the upload lives; raise TakenOverError if it was given up.

    *fence*: the try that stores a list that was awaited; a later one takes over.
    """
    moment = now(connection)
    # If this try dies, its list is awaited once more.
    beat = moment if fence is None else moment + AWAITED_FOR - GIVEN_UP_AFTER
    mine = () if fence is None else (BroadcastRow.version == fence,)
    kept = connection.execute(
        update(BroadcastRow)
        .filter_by(id=broadcast_id, phase=Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None), *mine)
        .values(uploading_at=beat)
    )
    if kept.rowcount != 1:
        raise TakenOverError("error.submit.taken_over", id=broadcast_id)
    if fence is not None:
        change(connection, UploadRow, broadcast_id, beat_at=moment)


def await_list(connection: Connection, broadcast_id: str) -> None:
    """Date an upload's beat ahead, so that it is not given up before its list may come."""
    ahead = now(connection) + AWAITED_FOR - GIVEN_UP_AFTER
    connection.execute(
        update(BroadcastRow)
        .filter_by(id=broadcast_id, phase=Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None))
        .values(uploading_at=ahead)
    )


#: Bytes of a piece.
PIECE = 256 * media.KIB
#: Pieces per transaction, so that no write on SQLite holds others up for over 100 ms.
PIECES_AT_ONCE = 8


def keep_file(engine: Engine, broadcast_id: str, files: Sequence[KeptFile]) -> None:
    """Store the files of an upload. Raises TakenOverError if the upload was given up meanwhile."""
    rows = [
        {
            "broadcast_id": broadcast_id, "n": n, "media_id": one.media_id, "kind": one.kind,
            "permanent": one.permanent, "format": one.format, "name": one.name[-LONGEST_NAME:],
            "size": len(one.data), "fingerprint": one.fingerprint, "dropped": False,
        }
        for n, one in enumerate(files)
    ]  # fmt: skip

    def begin(connection: Connection) -> None:
        keep_upload_alive(connection, broadcast_id)
        connection.execute(insert(KeptFileRow), rows)

    write(engine, begin)
    rest = _pieces(broadcast_id, files)
    while some := list(islice(rest, PIECES_AT_ONCE)):

        def work(connection: Connection, some: list[dict[str, Any]] = some) -> None:
            keep_upload_alive(connection, broadcast_id)
            connection.execute(insert(FilePieceRow), some)

        write(engine, work)


def _pieces(broadcast_id: str, files: Sequence[KeptFile]) -> Iterator[dict[str, Any]]:
    for n, one in enumerate(files):
        for place, start in enumerate(range(0, len(one.data), PIECE)):
            yield {
                "broadcast_id": broadcast_id, "n": n, "place": place,
                "data": one.data[start : start + PIECE],
            }  # fmt: skip


def drop_files_of_ended(engine: Engine) -> int:
    """Remove the files of one broadcast that has ended, in portions; return how many such."""
    ended = or_(BroadcastRow.phase == Phase.ENDED, KeptFileRow.dropped)
    with read(engine) as connection:
        which = connection.scalar(
            select(KeptFileRow.broadcast_id)
            .join(BroadcastRow, BroadcastRow.id == KeptFileRow.broadcast_id)
            .where(ended)
            .limit(1)
        )
    if which is None or not write(
        engine, lambda connection: begin_to_drop_files(connection, which)
    ):
        return 0
    while write(engine, lambda connection: drop_files(connection, which)):
        pass
    return 1


def begin_to_drop_files(connection: Connection, broadcast_id: str) -> bool:
    """Close the files of an ended broadcast for uploads; return whether they may be removed.

    A retry lets it go on: whichever locks the lane first, it finds the files whole or none.
    """
    mine = KeptFileRow.broadcast_id == broadcast_id
    if lane_rows.lock_unless_ended(connection, broadcast_id) is None:
        connection.execute(update(KeptFileRow).where(mine).values(dropped=True))
    return is_so(connection, exists().where(mine, KeptFileRow.dropped))


def drop_files(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion of files that nobody uploads any more; return whether there is more."""
    mine = FilePieceRow.broadcast_id == broadcast_id
    if delete_some(connection, FilePieceRow.id, mine, most=PIECES_AT_ONCE):
        return True
    connection.execute(delete(KeptFileRow).filter_by(broadcast_id=broadcast_id))
    return False
