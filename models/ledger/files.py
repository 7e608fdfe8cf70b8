"""Files that a broadcast needs when their media_ids are dead: kept, and dropped.

The bytes stand in pieces, because no server takes 10 MB in one statement as it comes, and no write
on SQLite may hold others up. They are dropped in portions too, so a file that loses its first is
marked before: it is uploaded whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, delete, exists, insert, or_, select, update

from broadcast import media
from broadcast.media import KeptFile
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.file import FilePieceRow, KeptFileRow
from models.ledger import lanes, upload_beat
from models.ledger.transaction import read, write
from models.media import LONGEST_NAME

#: Bytes of a piece.
PIECE = 256 * media.KIB
#: Pieces per transaction, so that no write on SQLite holds others up for over 100 ms.
PIECES_AT_ONCE = 8


def keep(engine: Engine, broadcast_id: str, files: Sequence[KeptFile]) -> None:
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
        upload_beat.alive(connection, broadcast_id)
        connection.execute(insert(KeptFileRow), rows)

    write(engine, begin)
    rest = _pieces(broadcast_id, files)
    while some := list(islice(rest, PIECES_AT_ONCE)):

        def work(connection: Connection, some: list[dict[str, Any]] = some) -> None:
            upload_beat.alive(connection, broadcast_id)
            connection.execute(insert(FilePieceRow), some)

        write(engine, work)


def _pieces(broadcast_id: str, files: Sequence[KeptFile]) -> Iterator[dict[str, Any]]:
    for n, one in enumerate(files):
        for place, start in enumerate(range(0, len(one.data), PIECE)):
            yield {
                "broadcast_id": broadcast_id, "n": n, "place": place,
                "data": one.data[start : start + PIECE],
            }  # fmt: skip


def drop_of_ended(engine: Engine) -> int:
    """Remove the files of one broadcast that has ended, in portions; return how many such."""
    ended = or_(BroadcastRow.phase == Phase.ENDED, KeptFileRow.dropped)
    with read(engine) as connection:
        which = connection.scalar(
            select(KeptFileRow.broadcast_id)
            .join(BroadcastRow, BroadcastRow.id == KeptFileRow.broadcast_id)
            .where(ended)
            .limit(1)
        )
    if which is None or not write(engine, lambda connection: begin_to_drop(connection, which)):
        return 0
    while write(engine, lambda connection: drop_some(connection, which)):
        pass
    return 1


def begin_to_drop(connection: Connection, broadcast_id: str) -> bool:
    """Let nobody upload the files of a broadcast that has ended; return whether they may go.

    A retry lets it go on: whichever holds the lane first, it finds the files whole or none.
    """
    mine = KeptFileRow.broadcast_id == broadcast_id
    if lanes.hold_unless_ended(connection, broadcast_id) is None:
        connection.execute(update(KeptFileRow).where(mine).values(dropped=True))
    return bool(connection.scalar(select(exists().where(mine, KeptFileRow.dropped))))


def drop_some(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion of files that nobody uploads any more; return whether there is more."""
    pieces = connection.scalars(
        select(FilePieceRow.id)
        .where(FilePieceRow.broadcast_id == broadcast_id)
        .limit(PIECES_AT_ONCE)
    ).all()
    if pieces:
        connection.execute(delete(FilePieceRow).where(FilePieceRow.id.in_(pieces)))
        return True
    connection.execute(delete(KeptFileRow).where(KeptFileRow.broadcast_id == broadcast_id))
    return False
