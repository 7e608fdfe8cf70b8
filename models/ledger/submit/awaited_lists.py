"""Broadcasts whose list comes later: an id is reserved first, and the list stored under it then.

The key is that id's from the moment it is reserved, for every door. One try at a time stores the
list: while it shows that it lives, another waits or is refused, and a dead one is taken over. Each
has a fence, the broadcast's version: a later try raises it, so an older one that was stopped or
forgotten can add and publish nothing more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, and_, exists, select, update

from broadcast.frozen import frozen
from broadcast.rules.plan.submission import (
    BeingStoredError,
    Body,
    PublishedMeanwhileError,
    TakenOverError,
)
from broadcast.rules.states import Phase
from models.base import change, change_where, insert_row, value_of
from models.broadcast_tables import BroadcastRow, Submission, UploadRow
from models.engine import now, skips_locked
from models.ledger.lists import uploads
from models.ledger.rows import known_accounts, lane_rows, locked_rows
from models.ledger.rows.transaction import first, reading, selected, write, writing, writing_new
from models.ledger.submit import publication, submits

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
class _StoringTry:
    """State of the try that stores a list, if there is one."""

    beat_at: datetime | None
    list_digest: str | None


@reading
def find(connection: Connection, body: Body) -> str | None:
    """Return the id that was reserved for *body*, if one was. Raises ConflictError."""
    return _reserved(connection, body)


@writing_new
def reserve(
    connection: Connection,
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
    known_accounts.register_account(connection, body.account)
    # Every door takes a key under its lane.
    lane_rows.lock(connection, body.account.name)
    there = _reserved(connection, body)
    if there is not None:
        return there, False
    broadcast_id = submits.open_upload(
        connection, body, who=who, title=title, notify_url=notify_url
    )
    moment = now(connection)
    insert_row(
        connection,
        UploadRow,
        broadcast_id=broadcast_id,
        request=request,
        digest=body.request_digest,
        created_at=moment,
    )
    publication.bind_key(connection, broadcast_id, body, moment=moment, digest=None)
    uploads.await_list(connection, broadcast_id)
    return broadcast_id, True


def _reserved(connection: Connection, body: Body) -> str | None:
    there = publication.used_key(connection, body)
    if there is None:
        return None
    digest = value_of(connection, there.broadcast_id, UploadRow.digest)
    if digest != body.request_digest and digest not in body.request_digests(
        publication.stored_options(connection, there.broadcast_id)
    ):
        raise publication.key_conflict(connection, body, there)
    return there.broadcast_id


@reading
def awaited_submission(connection: Connection, broadcast_id: str) -> Awaited | None:
    """Return the submission without its list; None: its list does not come so."""
    query = (
        selected(
            Awaited,
            UploadRow,
            account=BroadcastRow.account,
            key=BroadcastRow.key,
            is_cancelled=and_(
                BroadcastRow.phase == Phase.ENDED, BroadcastRow.published_at.is_(None)
            ),
        )
        .join(BroadcastRow, BroadcastRow.id == UploadRow.broadcast_id)
        .filter_by(broadcast_id=broadcast_id)
    )
    return first(connection, query, Awaited)


@writing
def expect(connection: Connection, broadcast_id: str) -> None:
    """Await a list for as long as at the first: it is on its way."""
    uploads.await_list(connection, broadcast_id)


@reading
def is_being_stored(connection: Connection, broadcast_id: str) -> bool:
    """Return whether a try that lives stores the list."""
    return _living(connection, broadcast_id) is not None


def _living(connection: Connection, broadcast_id: str) -> _StoringTry | None:
    query = (
        selected(_StoringTry, UploadRow)
        .join(BroadcastRow, BroadcastRow.id == UploadRow.broadcast_id)
        .filter_by(id=broadcast_id, phase=Phase.UPLOADING)
    )
    there = first(connection, query, _StoringTry)
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
            .filter_by(id=broadcast_id)
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
        uploads.keep_upload_alive(connection, broadcast_id, fence=fence)
        return fence

    fence = write(engine, work)
    while _drop_some(engine, broadcast_id, fence):
        pass
    return fence


@writing
def _drop_some(connection: Connection, broadcast_id: str, fence: int) -> bool:
    """Remove a portion of what earlier tries stored; return whether there was any."""
    # Of a later try nothing is removed: it is what will be sent.
    uploads.keep_upload_alive(connection, broadcast_id, fence=fence)
    return uploads.drop_chunks(connection, broadcast_id)


@writing
def stop(connection: Connection, broadcast_id: str, fence: int) -> None:
    """Allow another try at once after one that failed."""
    mine = connection.scalar(
        select(BroadcastRow.id).filter_by(id=broadcast_id, version=fence).with_for_update()
    )
    if mine is not None:
        change(connection, UploadRow, broadcast_id, beat_at=None, list_digest=None)


#: What is true of a broadcast of whose list something may be left.
HAS_A_REST: Final = and_(
    BroadcastRow.phase == Phase.ENDED,
    BroadcastRow.published_at.is_(None),
    BroadcastRow.due_at.is_not(None),
)


def revoke_awaited_list(connection: Connection, broadcast_id: str) -> None:
    """Revoke a broadcast from the storer of its list; its key stays bound.

    The caller has locked the lane and ends the broadcast. Raises ConflictError where its list does
    not come in a request of its own, and UnknownIdError where it was given up.
    """
    awaited = exists().where(UploadRow.broadcast_id == BroadcastRow.id)
    taken = change_where(
        connection,
        BroadcastRow,
        BroadcastRow.id == broadcast_id,
        uploads.IS_UNDER_WAY,
        awaited,
        uploading_at=None,
        planned=0,
        calls_planned=0,
    )
    if taken != 1:
        raise locked_rows.not_stored(connection, broadcast_id)
    row = connection.execute(
        select(BroadcastRow.account, BroadcastRow.key, UploadRow.digest)
        .join(UploadRow, UploadRow.broadcast_id == BroadcastRow.id)
        .filter_by(id=broadcast_id)
    ).one()
    connection.execute(
        update(Submission)
        .filter_by(account=row.account, key=row.key)
        .values(body_digest=row.digest)
    )


def schedule_list_removal(connection: Connection, broadcast_id: str) -> None:
    """Schedule the removal of the stored list of a broadcast that has just ended."""
    change(connection, BroadcastRow, broadcast_id, due_at=lane_rows.DUE_AT_ONCE)


def broadcast_with_leftover_list(connection: Connection) -> str | None:
    """Return a broadcast whose list may not be removed yet; a locked one is skipped."""
    query = select(BroadcastRow.id).where(HAS_A_REST).limit(1)
    return connection.scalar(query.with_for_update(skip_locked=skips_locked(connection)))


def clear_unlisted(engine: Engine, broadcast_id: str) -> None:
    """Remove what was stored of the list, in short transactions; any number may do so at once."""
    while _clear_some(engine, broadcast_id):
        pass


@writing
def _clear_some(connection: Connection, broadcast_id: str) -> bool:
    query = select(BroadcastRow.id).where(BroadcastRow.id == broadcast_id, HAS_A_REST)
    if connection.scalar(query.with_for_update()) is None:
        return False
    if uploads.drop_chunks(connection, broadcast_id):
        return True
    change(connection, BroadcastRow, broadcast_id, due_at=None)
    return False
