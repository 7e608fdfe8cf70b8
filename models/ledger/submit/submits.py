"""Submits: an audience is stored in chunks that no lane sees, then published at once.

A short list is stored and published by one transaction (:func:`store`).

Publication is one transaction under the account's lane: it takes the key, looks for the same send
under another one, holds the plan against the calls that are free, and makes the broadcast visible
to lanes. Until then nothing was promised. Each try uploads into rows of its own: the first to
publish under a key wins, and the others are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, insert

from broadcast.crashpoints import Point, failpoint
from broadcast.frozen import frozen
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan import cut, proof
from broadcast.rules.plan.cut import ASKED, Chunk
from broadcast.rules.plan.submission import (
    Body,
    Figures,
    KeyLookup,
    Published,
    PublishedMeanwhileError,
    Terms,
)
from broadcast.rules.reports import Report
from broadcast.rules.states import Phase
from models import base
from models.base import change
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.gates import quotas
from models.ledger.lists import media, uploads
from models.ledger.plan import renewals
from models.ledger.rows import known_accounts, lane_rows
from models.ledger.rows.transaction import (
    LockedLane,
    at_one_moment,
    reading,
    write,
    write_new,
    writing_new,
)
from models.ledger.submit import publication
from models.recipients import ChunkRow


def find(engine: Engine, body: Body) -> str | None:
    """Return the id of the broadcast that has this key and this body, if there is one.

    Raises ConflictError when the key of the account is taken by another body, and SettingsError
    when the account's name has had another appid.
    """
    return look_up_key(engine, body).existing


@reading
def look_up_key(connection: Connection, body: Body) -> KeyLookup:
    """Do as :func:`find`, and return the time of the submit too."""
    moment, machine = now(connection), datetime.now(UTC)
    known_accounts.check_unchanged(connection, body.account)
    return KeyLookup(existing=same(connection, body), now=moment, machine_now=machine)


def same(connection: Connection, body: Body) -> str | None:
    """Return the broadcast that was published under the key of *body*, if there is one.

    Raises ConflictError where it has another body.
    """
    there = publication.used_key(connection, body)
    if there is None or (there.body_digest is None and there.broadcast_id == body.reserved):
        return None
    if there.body_digest == body.digest and publication.has_same_options(connection, body, there):
        return there.broadcast_id
    raise publication.key_conflict(connection, body, there)


@writing_new
def begin(connection: Connection, body: Body, *, who: str, title: str | None = None) -> str:
    """Open an upload and return its id; others under the same key go on beside it.

    Raises ConflictError when another body was published under the key, PublishedMeanwhileError
    with the id of the same body, and SettingsError.
    """
    known_accounts.register_account(connection, body.account)
    there = same(connection, body)
    if there is not None:
        raise PublishedMeanwhileError(there)
    return open_upload(connection, body, who=who, title=title)


def open_upload(
    connection: Connection,
    body: Body,
    *,
    who: str,
    title: str | None,
    notify_url: str | None = None,
) -> str:
    """Insert an upload that is under way, of an account that was met; return its id."""
    moment = now(connection)
    broadcast_id = new_id(moment)
    values = {
        "id": broadcast_id,
        "title": title,
        "created_by": who,
        "phase": Phase.UPLOADING,
        "created_at": moment,
        "uploading_at": moment,
        "batch_size": cut.LARGEST,
        "late_by_s": 0,
        "notify_url": notify_url,
    }
    insert_broadcast(connection, body, values)
    return broadcast_id


_INSERT = insert(BroadcastRow)


def insert_broadcast(
    connection: Connection, body: Body, values: Mapping[str, object]
) -> Mapping[str, object]:
    """Insert the row of a broadcast that says *body*, and return it; *values*: what else it has."""
    row = {
        "account": body.account.name,
        "key": body.key,
        **_body_columns(connection, body),
        **values,
    }
    connection.execute(_INSERT, row)
    return row


def _body_columns(connection: Connection, body: Body) -> dict[str, object]:
    """Return what a body says, as a broadcast's columns have it."""
    return {
        "msgtype": body.msgtype,
        "content": body.content,
        "content_digest": body.content_digest,
        "content_identity": media.identity(connection, body.content),
        "audience_kind": body.audience.kind,
        "audience_spec": audiences.spec(body.audience),
        "audience_digest": body.audience_digest,
        "path": body.audience.path,
        "selection": body.selection.stored,
        "share_digest": body.selection.share_digest,
        "scheduled_at": body.scheduled_at,
    }


def new_id(moment: datetime) -> str:
    """Return an id that no broadcast has, but for one in 700 million: then the insert fails."""
    return base.dated(moment)


def publish(
    engine: Engine,
    broadcast_id: str,
    body: Body,
    *,
    figures: Figures,
    terms: Terms,
    quota: proof.Quota | None,
    fence: int | None = None,
) -> Published:
    """Publish the upload, or raise its refusal; the caller then abandons it.

    *fence*: the try that stored its list, where the list came later than the rest. One whose time
    passed during the upload goes out at once, as if it had been launched.

    Raises PublishedMeanwhileError where another upload of the same body was quicker, ConflictError
    where one of another body was, TakenOverError, RepeatedSendError (the same send within 24 h
    under another key) and PlanError.
    """

    def work(connection: Connection) -> Published:
        lane = lane_rows.lock(connection, body.account.name)
        there = same(connection, body)
        if there is not None and there != broadcast_id:
            raise PublishedMeanwhileError(there)
        uploads.keep_upload_alive(connection, broadcast_id, fence=fence)
        if fence is not None:
            said = _body_columns(connection, body)
            change(connection, BroadcastRow, broadcast_id, **said)
        checked = publication.check_publication(
            connection,
            broadcast_id,
            body,
            figures=figures,
            terms=terms,
            quota=quota,
            lane=lane,
            moment=now(connection),
        )
        renewals.begin(connection, broadcast_id, body.content, appid=body.account.appid)
        change(
            connection,
            BroadcastRow,
            broadcast_id,
            version=BroadcastRow.version + 1,
            **checked.values(),
        )
        done = checked.store_rest(connection)
        failpoint(Point.SUBMIT_PUBLISHING)
        return done

    published = write(engine, work)
    failpoint(Point.SUBMIT_PUBLISHED)
    return published


@at_one_moment
def dry_run(
    connection: Connection, body: Body, *, figures: Figures, terms: Terms, quota: proof.Quota | None
) -> proof.Proof:
    """Prove the plan without storing anything. Raises what :func:`publish` would, but PlanError.

    Raises PublishedMeanwhileError, and what :func:`find` raises, for what was stored under the key
    since the caller looked: it holds calls of its own, which are no reason to refuse its repeat.
    """
    there = same(connection, body)
    if there is not None:
        raise PublishedMeanwhileError(there)
    moment = now(connection)
    if not terms.again:
        publication.check_not_repeated(connection, body, moment=moment)
    wanted = publication.calls_to_reserve(body, None, figures=figures, terms=terms)
    return quotas.prove(connection, wanted, quota=quota, moment=moment)


class Reporter(Protocol):
    """Makes a report in the transaction that stores its broadcast."""

    def __call__(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        *,
        published: Published,
        lane: LockedLane,
    ) -> Report:
        """Return the report of a broadcast from the values that were just inserted."""


@frozen
class StoredBroadcast:
    """Broadcast that was stored."""

    id: str
    published: Published
    #: As it was stored, without what people did; None: it was not asked for.
    report: Report | None


def store(
    engine: Engine,
    body: Body,
    chunks: Iterable[Chunk],
    *,
    figures: Figures,
    terms: Terms,
    quota: proof.Quota | None,
    reporter: Reporter | None = None,
) -> StoredBroadcast:
    """Store and publish a broadcast. Raises what begin and publish raise."""
    listed = list(chunks)

    def work(connection: Connection) -> StoredBroadcast:
        known_accounts.register_account(connection, body.account)
        lane = lane_rows.lock(connection, body.account.name)
        there = same(connection, body)
        if there is not None:
            raise PublishedMeanwhileError(there)
        moment = now(connection)
        broadcast_id = new_id(moment)
        checked = publication.check_publication(
            connection,
            broadcast_id,
            body,
            figures=figures,
            terms=terms,
            quota=quota,
            lane=lane,
            moment=moment,
        )
        mine = {
            "id": broadcast_id,
            "created_by": terms.who,
            "created_at": moment,
            "version": 1,
        }
        row = insert_broadcast(connection, body, {**mine, **checked.values()})
        if listed:
            rows = [uploads.chunk_row(broadcast_id, ASKED, chunk) for chunk in listed]
            connection.execute(_CHUNKS, rows)
        published = checked.store_rest(connection)
        report = None
        if reporter is not None:
            report = reporter(connection, row, published=published, lane=lane)
        failpoint(Point.SUBMIT_PUBLISHING)
        return StoredBroadcast(id=broadcast_id, published=published, report=report)

    # Another id is drawn where one is taken.
    stored = write_new(engine, work)
    failpoint(Point.SUBMIT_PUBLISHED)
    return stored


_CHUNKS = insert(ChunkRow)
