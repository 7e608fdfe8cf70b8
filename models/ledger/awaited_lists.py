"""Broadcasts whose list comes later: an id is reserved first, and the list stored under it then.

Each try to store the list has a fence, the broadcast's version: a later try raises it, so an older
one that was stopped or forgotten can add and publish nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, Engine, delete, insert, select, update

from broadcast.errors import ConflictError
from broadcast.plan.submission import Body, PublishedMeanwhileError, TakenOverError
from broadcast.states import Phase
from models.broadcast import BroadcastRow, Submission
from models.engine import now
from models.ledger import submits, upload_beat, uploads
from models.ledger.rows import columns, first
from models.ledger.transaction import read, write, write_new
from models.recipients import ChunkRow
from models.upload import UploadRow

#: So long a list may be awaited before its id is forgotten.
AWAITED_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A broadcast whose list comes later, or has come."""

    broadcast_id: str
    account: str
    key: str
    request: str
    digest: str


_COLUMNS: Final = columns(Awaited, UploadRow)


def reserve(
    engine: Engine, body: Body, *, request: str, who: str, title: str | None
) -> tuple[str, bool]:
    """Reserve an id for *body*, whose list is not known yet; return it, and whether it is new.

    The same key and request have the same id. Raises ConflictError where the key has another.
    """

    def work(connection: Connection) -> tuple[str, bool]:
        there = _of_key(connection, body.account.name, body.key)
        if there is not None:
            if there.digest != body.request_digest:
                raise _taken(body.key, there.broadcast_id)
            return there.broadcast_id, False
        used = connection.scalar(
            select(Submission.broadcast_id).where(
                Submission.account == body.account.name, Submission.key == body.key
            )
        )
        if used is not None:
            raise _taken(body.key, used)
        broadcast_id = submits.open_upload(connection, body, who=who, title=title)
        moment = now(connection)
        connection.execute(
            insert(UploadRow).values(
                broadcast_id=broadcast_id, account=body.account.name, key=body.key,
                request=request, digest=body.request_digest, created_at=moment,
            )
        )  # fmt: skip
        _await(connection, broadcast_id)
        return broadcast_id, True

    # Another request with the key may come at the same moment.
    return write_new(engine, work)


def _taken(key: str, broadcast_id: str) -> ConflictError:
    return ConflictError("error.submit.key_taken", key=key, id=broadcast_id)


def _of_key(connection: Connection, account: str, key: str) -> Awaited | None:
    query = select(*_COLUMNS).where(UploadRow.account == account, UploadRow.key == key)
    return first(connection, query, Awaited)


def refuse_awaited(engine: Engine, account: str, key: str) -> None:
    """Raise ConflictError where a key is that of a broadcast whose list comes later."""
    there = under_key(engine, account, key)
    if there is not None:
        raise _taken(key, there.broadcast_id)


def under_key(engine: Engine, account: str, key: str) -> Awaited | None:
    """Return what was reserved under a key, whether its list has come or not."""
    with read(engine) as connection:
        return _of_key(connection, account, key)


def of(engine: Engine, broadcast_id: str) -> Awaited | None:
    """Return what was asked for, but for the list; None: its list does not come so."""
    query = select(*_COLUMNS).where(UploadRow.broadcast_id == broadcast_id)
    with read(engine) as connection:
        return first(connection, query, Awaited)


def begin(engine: Engine, broadcast_id: str, body: Body) -> int:
    """Begin to store the list, instead of whoever was at it; return the fence of this try.

    Raises PublishedMeanwhileError where this list was published, ConflictError where another one
    was, TakenOverError where the id was forgotten or a later try began.
    """

    def work(connection: Connection) -> int:
        row = connection.execute(
            select(BroadcastRow.phase, BroadcastRow.version, BroadcastRow.uploading_at)
            .where(BroadcastRow.id == broadcast_id)
            .with_for_update()
        ).first()
        if submits.same(connection, body) is not None:
            raise PublishedMeanwhileError(broadcast_id)
        if row is None or row.phase is not Phase.UPLOADING or row.uploading_at is None:
            raise TakenOverError("error.submit.taken_over", id=broadcast_id)
        connection.execute(
            update(BroadcastRow)
            .where(BroadcastRow.id == broadcast_id)
            .values(version=row.version + 1, uploading_at=now(connection))
        )
        return int(row.version) + 1

    fence = write(engine, work)
    while write(engine, lambda connection: _drop_some(connection, broadcast_id, fence)):
        pass
    return fence


def _drop_some(connection: Connection, broadcast_id: str, fence: int) -> bool:
    """Remove a portion of what earlier tries stored; return whether there was any."""
    # Of a later try nothing is removed: it is what will be sent.
    upload_beat.alive(connection, broadcast_id, fence=fence)
    chunks = connection.scalars(
        select(ChunkRow.id)
        .where(ChunkRow.broadcast_id == broadcast_id)
        .limit(uploads.CHUNKS_AT_ONCE)
    ).all()
    if chunks:
        connection.execute(delete(ChunkRow).where(ChunkRow.id.in_(chunks)))
    return bool(chunks)


def stop(engine: Engine, broadcast_id: str, fence: int) -> None:
    """Let a try that failed be followed by another one, for as long as at the first."""

    def work(connection: Connection) -> None:
        mine = connection.scalar(
            select(BroadcastRow.id)
            .where(BroadcastRow.id == broadcast_id, BroadcastRow.version == fence)
            .with_for_update()
        )
        if mine is not None:
            _await(connection, broadcast_id)

    write(engine, work)


def _await(connection: Connection, broadcast_id: str) -> None:
    """Date the upload's beat ahead, so that it is not given up before its list may come."""
    until = now(connection) + AWAITED_FOR - uploads.GIVEN_UP_AFTER
    connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .values(uploading_at=until)
    )
