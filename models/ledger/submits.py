"""Submits: an audience is stored in chunks that no lane sees, then published by one flip.

A short list is stored and published by one transaction (:mod:`.whole_submits`).

The flip is one transaction under the account's lane: it takes the key, looks for the same send
under another one, holds the plan against the calls that are free, and makes the broadcast visible
to lanes. Until then nothing was promised. Each try uploads into rows of its own: the first to
publish under a key wins, and the others are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from broadcast import plan
from broadcast.crashpoints import Point, passing
from broadcast.errors import ConflictError
from broadcast.message import Message
from broadcast.plan import audience as audiences
from broadcast.plan.submission import (
    Body,
    Figures,
    Look,
    Published,
    PublishedMeanwhileError,
    Terms,
)
from broadcast.states import Phase
from models import drawn_ids
from models.broadcast import BroadcastRow, Submission
from models.engine import now
from models.ledger import accounts, flips, lanes, quotas, renewals, upload_beat
from models.ledger.reading import known, media
from models.ledger.rows import columns, first
from models.ledger.transaction import read, snapshot, write, write_new

#: When a broadcast without a time is to be sent.
AT_ONCE = Message("submit.at_once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a key stands for."""

    broadcast_id: str
    #: None: its list is awaited.
    body_digest: str | None
    options_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What a broadcast says, as far as a conflict is explained by it."""

    content_digest: str
    audience_kind: str
    audience_digest: str
    selection: str | None
    scheduled_at: datetime | None


def find(engine: Engine, body: Body) -> str | None:
    """Return the id of the broadcast that has this key and this body, if there is one.

    Raises ConflictError when the key of the account is taken by another body, and SettingsError
    when the account's name has had another appid.
    """
    return look(engine, body).existing


def look(engine: Engine, body: Body) -> Look:
    """Do what :func:`find` does, and say when."""
    with read(engine) as connection:
        moment, machine = now(connection), datetime.now(UTC)
        known.refuse_changed(connection, body.account)
        return Look(existing=same(connection, body), now=moment, machine_now=machine)


def same(connection: Connection, body: Body) -> str | None:
    """Return the broadcast that was published under the key of *body*, if there is one.

    Raises ConflictError where it has another body.
    """
    there = under_key(connection, body)
    if there is None or (there.body_digest is None and there.broadcast_id == body.reserved):
        return None
    if there.body_digest is None:
        raise taken(body, there)
    if there.body_digest != body.digest:
        raise _conflict(connection, body, there.broadcast_id)
    if None not in (options := {there.options_digest, body.options_digest}) and len(options) > 1:
        raise ConflictError("error.submit.other_options", key=body.key, id=there.broadcast_id)
    return there.broadcast_id


def under_key(connection: Connection, body: Body) -> Taken | None:
    """Return what the key of *body* stands for."""
    whose = {"account": body.account.name, "key": body.key}
    return first(connection, _UNDER_KEY, Taken, whose)


# Built once, like each statement of a submit: building one costs more than running it.
_UNDER_KEY = select(*columns(Taken, Submission)).where(
    Submission.account == bindparam("account"), Submission.key == bindparam("key")
)


def taken(body: Body, there: Taken) -> ConflictError:
    """Return that the key of *body* stands for something else."""
    name = "error.submit.key_awaited" if there.body_digest is None else "error.submit.key_taken"
    return ConflictError(name, key=body.key, id=there.broadcast_id)


def _conflict(connection: Connection, body: Body, broadcast_id: str) -> ConflictError:
    """Return why a key cannot be used for *body*: another list, time, or body."""
    if broadcast_id == body.reserved:
        return ConflictError("error.submit.other_list", id=broadcast_id, field="audience")
    query = select(*columns(_Stored, BroadcastRow)).where(BroadcastRow.id == broadcast_id)
    stored = first(connection, query, _Stored)
    mine = (
        body.content_digest, body.audience.kind, body.audience_digest, body.selection.stored,
    )  # fmt: skip
    if stored is not None and mine == (
        stored.content_digest,
        stored.audience_kind,
        stored.audience_digest,
        stored.selection,
    ):
        # Moments are compared, not how they were written.
        return ConflictError(
            "error.submit.other_time", key=body.key, id=broadcast_id,
            at=body.scheduled_at or AT_ONCE, stored=stored.scheduled_at or AT_ONCE,
        )  # fmt: skip
    return ConflictError("error.submit.key_taken", key=body.key, id=broadcast_id)


def begin(engine: Engine, body: Body, *, who: str, title: str | None = None) -> str:
    """Open an upload and return its id; others under the same key go on beside it.

    Raises ConflictError when another body was published under the key, PublishedMeanwhileError
    with the id of the same body, and SettingsError.
    """

    def work(connection: Connection) -> str:
        accounts.meet(connection, body.account)
        there = same(connection, body)
        if there is not None:
            raise PublishedMeanwhileError(there)
        return open_upload(connection, body, who=who, title=title)

    # Another id is drawn where one is taken.
    return write_new(engine, work)


def open_upload(connection: Connection, body: Body, *, who: str, title: str | None) -> str:
    """Insert an upload that is under way, of an account that was met; return its id."""
    moment = now(connection)
    broadcast_id = new_id(moment)
    values = {
        "id": broadcast_id, "title": title, "created_by": who, "phase": Phase.UPLOADING,
        "version": 0, "created_at": moment, "uploading_at": moment, "batch_size": plan.LARGEST,
        "late_by_s": 0,
    }  # fmt: skip
    insert_broadcast(connection, body, values)
    return broadcast_id


_INSERT = insert(BroadcastRow)


def insert_broadcast(
    connection: Connection, body: Body, values: Mapping[str, object]
) -> Mapping[str, object]:
    """Insert the row of a broadcast that says *body*, and return it; *values*: what else it has."""
    row = {
        "account": body.account.name, "key": body.key, "breaker_since": 0, "unattended_s": 0,
        **_said(connection, body), **values,
    }  # fmt: skip
    connection.execute(_INSERT, row)
    return row


def _said(connection: Connection, body: Body) -> dict[str, object]:
    """Return what a body says, as a broadcast's columns have it."""
    return {
        "msgtype": body.msgtype, "content": body.content, "content_digest": body.content_digest,
        "content_identity": media.identity(connection, body.content),
        "audience_kind": body.audience.kind, "audience_spec": audiences.spec(body.audience),
        "audience_digest": body.audience_digest, "path": body.audience.path,
        "selection": body.selection.stored, "share_digest": body.selection.share_digest,
        "scheduled_at": body.scheduled_at,
    }  # fmt: skip


def new_id(moment: datetime) -> str:
    """Return an id that no broadcast has, but for one in 700 million: then the insert fails."""
    return drawn_ids.dated(moment)


def publish(
    engine: Engine,
    broadcast_id: str,
    body: Body,
    *,
    figures: Figures,
    terms: Terms,
    quota: plan.Quota | None,
    fence: int | None = None,
) -> Published:
    """Flip the upload into sight, or raise what refuses it; the caller then abandons it.

    *fence*: the try that stored its list, where the list came later than the rest. One whose time
    passed during the upload goes out at once, as if it had been launched.

    Raises PublishedMeanwhileError where another upload of the same body was quicker, ConflictError
    where one of another body was, TakenOverError, RepeatedSendError (the same send within 24 h
    under another key) and PlanError.
    """

    def work(connection: Connection) -> Published:
        lane = lanes.hold(connection, body.account.name)
        there = same(connection, body)
        if there is not None and there != broadcast_id:
            raise PublishedMeanwhileError(there)
        upload_beat.alive(connection, broadcast_id, fence=fence)
        if fence is not None:
            said = _said(connection, body)
            connection.execute(
                update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(**said)
            )
        flip = flips.judged(
            connection, broadcast_id, body, figures=figures, terms=terms, quota=quota, lane=lane,
            moment=now(connection),
        )  # fmt: skip
        renewals.begin(connection, broadcast_id, body.content, appid=body.account.appid)
        connection.execute(
            update(BroadcastRow)
            .where(BroadcastRow.id == broadcast_id)
            .values(version=BroadcastRow.version + 1, **flip.values())
        )
        done = flip.finish(connection)
        passing(Point.SUBMIT_PUBLISHING)
        return done

    published = write(engine, work)
    passing(Point.SUBMIT_PUBLISHED)
    return published


def dry_run(
    engine: Engine, body: Body, *, figures: Figures, terms: Terms, quota: plan.Quota | None
) -> plan.Proof:
    """Prove the plan without storing anything. Raises what :func:`publish` would, but PlanError.

    Raises PublishedMeanwhileError, and what :func:`find` raises, for what was stored under the key
    since the caller looked: it holds calls of its own, which are no reason to refuse its repeat.
    """
    with snapshot(engine) as connection:
        there = same(connection, body)
        if there is not None:
            raise PublishedMeanwhileError(there)
        moment = now(connection)
        if not terms.again:
            flips.refuse_repeated(connection, body, moment=moment)
        wanted = flips.wanted(body, None, figures=figures, terms=terms)
        return quotas.prove(connection, wanted, quota=quota, moment=moment)
