"""Broadcasts whose list comes later: an id is reserved first, and the list stored under it then.

The key is that id's from the moment it is reserved, for every door. One try at a time stores the
list: while it shows that it lives, another waits or is refused, and a dead one is taken over. Each
has a fence, the broadcast's version: a later try raises it, so an older one that was stopped or
forgotten can add and publish nothing more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, and_, insert, select

from broadcast.frozen import frozen
from broadcast.plan.submission import (
    BeingStoredError,
    Body,
    PublishedMeanwhileError,
    TakenOverError,
)
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import flips, known_accounts, lanes, submits, upload_beat, uploads
from models.ledger.reading import used_keys
from models.ledger.rows import change, columns, first
from models.ledger.transaction import read, write, write_new
from models.upload import UploadRow

#: A try is dead that showed nothing of itself for so long: each portion of a list takes less than a
#: second.
SILENT_FOR: Final = timedelta(seconds=30)


@frozen
class Awaited:
    """A broadcast whose list comes later, or has come."""

    broadcast_id: str
    account: str
    key: str
    request: str
    #: It takes no list any more.
    is_cancelled: bool


@frozen
class _Try:
    """What is known of the try that stores a list, if there is one."""

    beat_at: datetime | None
    list_digest: str | None


def find(engine: Engine, body: Body) -> str | None:
    """Return the id that was reserved for *body*, if one was. Raises ConflictError."""
    with read(engine) as connection:
        return _reserved(connection, body)


def reserve(
    engine: Engine,
    body: Body,
    *,
    request: str,
    who: str,
    title: str | None,
    notify_url: str | None = None,
) -> tuple[str, bool]:
    """Reserve an id for *body*, whose list is not known yet; return it, and whether it is new.

    The same key and request have the same id. Raises ConflictError where the key has another.
    """

    def work(connection: Connection) -> tuple[str, bool]:
        known_accounts.meet(connection, body.account)
        # Every door takes a key under its lane.
        lanes.hold(connection, body.account.name)
        there = _reserved(connection, body)
        if there is not None:
            return there, False
        broadcast_id = submits.open_upload(
            connection, body, who=who, title=title, notify_url=notify_url
        )
        moment = now(connection)
        connection.execute(
            insert(UploadRow).values(
                broadcast_id=broadcast_id, request=request, digest=body.request_digest,
                created_at=moment,
            )
        )  # fmt: skip
        flips.take_key(connection, broadcast_id, body, moment=moment, digest=None)
        upload_beat.await_list(connection, broadcast_id)
        return broadcast_id, True

    # Another id is drawn where one is taken.
    return write_new(engine, work)


def _reserved(connection: Connection, body: Body) -> str | None:
    there = used_keys.of(connection, body)
    if there is None:
        return None
    query = select(UploadRow.digest).where(UploadRow.broadcast_id == there.broadcast_id)
    digest = connection.scalar(query)
    if digest != body.request_digest and digest not in body.request_digests(
        used_keys.stored_options(connection, there.broadcast_id)
    ):
        raise used_keys.conflict(connection, body, there)
    return there.broadcast_id


def of(engine: Engine, broadcast_id: str) -> Awaited | None:
    """Return what was asked for, but for the list; None: its list does not come so."""
    query = (
        select(
            UploadRow.broadcast_id,
            BroadcastRow.account,
            BroadcastRow.key,
            UploadRow.request,
            and_(BroadcastRow.phase == Phase.ENDED, BroadcastRow.published_at.is_(None)).label(
                "is_cancelled"
            ),
        )
        .join(BroadcastRow, BroadcastRow.id == UploadRow.broadcast_id)
        .where(UploadRow.broadcast_id == broadcast_id)
    )
    with read(engine) as connection:
        return first(connection, query, Awaited)


def expect(engine: Engine, broadcast_id: str) -> None:
    """Await a list for as long as at the first: it is on its way."""
    write(engine, lambda connection: upload_beat.await_list(connection, broadcast_id))


def is_being_stored(engine: Engine, broadcast_id: str) -> bool:
    """Return whether a try that lives stores the list."""
    with read(engine) as connection:
        return _living(connection, broadcast_id) is not None


def _living(connection: Connection, broadcast_id: str) -> _Try | None:
    query = (
        select(*columns(_Try, UploadRow))
        .join(BroadcastRow, BroadcastRow.id == UploadRow.broadcast_id)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
    )
    there = first(connection, query, _Try)
    if there is None or there.beat_at is None:
        return None
    # A beat of the future was before the database's clock was set back.
    return there if abs(now(connection) - there.beat_at) < SILENT_FOR else None


def begin(engine: Engine, broadcast_id: str, body: Body) -> int:
    """Begin to store the list, instead of whoever died over it; return the fence of this try.

    Raises PublishedMeanwhileError where this list was published, ConflictError where another one
    was, BeingStoredError where a try that lives is at it, and TakenOverError where the id was
    forgotten.
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
        there = _living(connection, broadcast_id)
        if there is not None:
            raise BeingStoredError(is_other=there.list_digest != body.audience_digest)
        fence = int(row.version) + 1
        change(connection, BroadcastRow, broadcast_id, version=fence)
        change(connection, UploadRow, broadcast_id, list_digest=body.audience_digest)
        upload_beat.alive(connection, broadcast_id, fence=fence)
        return fence

    fence = write(engine, work)
    while write(engine, lambda connection: _drop_some(connection, broadcast_id, fence)):
        pass
    return fence


def _drop_some(connection: Connection, broadcast_id: str, fence: int) -> bool:
    """Remove a portion of what earlier tries stored; return whether there was any."""
    # Of a later try nothing is removed: it is what will be sent.
    upload_beat.alive(connection, broadcast_id, fence=fence)
    return uploads.drop_chunks(connection, broadcast_id)


def stop(engine: Engine, broadcast_id: str, fence: int) -> None:
    """Let a try that failed be followed by another one at once."""

    def work(connection: Connection) -> None:
        mine = connection.scalar(
            select(BroadcastRow.id)
            .where(BroadcastRow.id == broadcast_id, BroadcastRow.version == fence)
            .with_for_update()
        )
        if mine is not None:
            change(connection, UploadRow, broadcast_id, beat_at=None, list_digest=None)

    write(engine, work)
