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
    and_,
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
from models.base import Base, change, change_where, delete_some, delete_where, is_so
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
    rows = (chunk_row(broadcast_id, name, chunk) for chunk in chunks)
    _add_rows(engine, broadcast_id, ChunkRow, rows=rows, at_once=CHUNKS_AT_ONCE, fence=fence)


def _add_rows(
    engine: Engine,
    broadcast_id: str,
    table: type[Base],
    *,
    rows: Iterator[dict[str, Any]],
    at_once: int,
    fence: int | None = None,
) -> None:
    while some := list(islice(rows, at_once)):

        def work(connection: Connection, some: list[dict[str, Any]] = some) -> None:
            keep_upload_alive(connection, broadcast_id, fence=fence)
            connection.execute(insert(table), some)

        write(engine, work)


def chunk_row(broadcast_id: str, name: str, chunk: Chunk) -> dict[str, Any]:
    """Return a chunk as it is stored."""
    return {
        "broadcast_id": broadcast_id,
        "list": name,
        "start": chunk.start,
        "size": chunk.size,
        "first_openid": chunk.first,
        "last_openid": chunk.last,
        "openids": chunk.packed,
    }


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
    delete_where(connection, Skipped, Skipped.broadcast_id == broadcast_id)
    delete_where(connection, UploadRow, UploadRow.broadcast_id == broadcast_id)
    delete_where(connection, BroadcastRow, BroadcastRow.id == broadcast_id)
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
#: What is true of an upload that nobody gave up.
IS_UNDER_WAY: Final = and_(
    BroadcastRow.phase == Phase.UPLOADING, BroadcastRow.uploading_at.is_not(None)
)
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
    which = (BroadcastRow.id == broadcast_id, IS_UNDER_WAY, *mine)
    if change_where(connection, BroadcastRow, *which, uploading_at=beat) != 1:
        raise TakenOverError("error.submit.taken_over", id=broadcast_id)
    if fence is not None:
        change(connection, UploadRow, broadcast_id, beat_at=moment)


def await_list(connection: Connection, broadcast_id: str) -> None:
    """Date an upload's beat ahead, so that it is not given up before its list may come."""
    ahead = now(connection) + AWAITED_FOR - GIVEN_UP_AFTER
    mine = BroadcastRow.id == broadcast_id
    change_where(connection, BroadcastRow, mine, IS_UNDER_WAY, uploading_at=ahead)


#: Bytes of a piece.
PIECE = 256 * media.KIB
#: Pieces per transaction, so that no write on SQLite holds others up for over 100 ms.
PIECES_AT_ONCE = 8


def keep_file(engine: Engine, broadcast_id: str, files: Sequence[KeptFile]) -> None:
    """Store the files of an upload. Raises TakenOverError if the upload was given up meanwhile."""
    rows = [
        {
            "broadcast_id": broadcast_id,
            "n": n,
            "media_id": one.media_id,
            "kind": one.kind,
            "permanent": one.permanent,
            "format": one.format,
            "name": one.name[-LONGEST_NAME:],
            "size": len(one.data),
            "fingerprint": one.fingerprint,
            "dropped": False,
        }
        for n, one in enumerate(files)
    ]

    def begin(connection: Connection) -> None:
        keep_upload_alive(connection, broadcast_id)
        connection.execute(insert(KeptFileRow), rows)

    write(engine, begin)
    pieces = _pieces(broadcast_id, files)
    _add_rows(engine, broadcast_id, FilePieceRow, rows=pieces, at_once=PIECES_AT_ONCE)


def _pieces(broadcast_id: str, files: Sequence[KeptFile]) -> Iterator[dict[str, Any]]:
    for n, one in enumerate(files):
        for place, start in enumerate(range(0, len(one.data), PIECE)):
            yield {
                "broadcast_id": broadcast_id,
                "n": n,
                "place": place,
                "data": one.data[start : start + PIECE],
            }


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
        change_where(connection, KeptFileRow, mine, dropped=True)
    return is_so(connection, exists().where(mine, KeptFileRow.dropped))


def drop_files(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion of files that nobody uploads any more; return whether there is more."""
    mine = FilePieceRow.broadcast_id == broadcast_id
    if delete_some(connection, FilePieceRow.id, mine, most=PIECES_AT_ONCE):
        return True
    delete_where(connection, KeptFileRow, KeptFileRow.broadcast_id == broadcast_id)
    return False
