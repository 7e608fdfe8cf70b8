"""Submits: an audience is stored in chunks that no lane sees, then published by one flip.

The flip is one transaction under the account's lane: it takes the key, looks for the same send
under another one, holds the plan against the calls that are free, and makes the broadcast visible
to lanes. Until then nothing was promised. Each try uploads into rows of its own: the first to
publish under a key wins, and the others are dropped.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, exists, insert, or_, select, update

from broadcast import day, plan
from broadcast.crashpoints import Point, passing
from broadcast.errors import ConflictError, RepeatedSendError
from broadcast.events import EventKind
from broadcast.gates.kinds import GateKind
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
from models.batch import Batch
from models.broadcast import BroadcastRow, Submission
from models.engine import now
from models.ledger import accounts, drafts, due, gates, lanes, quotas, renewals, upload_beat
from models.ledger.gates import Closing
from models.ledger.quotas import Wanted
from models.ledger.reading import closed_gates, known, media
from models.ledger.rows import columns, first
from models.ledger.transaction import note, read, snapshot, write
from models.recipients import Skipped

#: When a broadcast without a time is to be sent.
AT_ONCE = Message("submit.at_once")
REPEAT_WITHIN = timedelta(hours=24)
#: Letters without those that are mistaken for each other when an id is read out.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


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
    query = select(*columns(Taken, Submission)).where(
        Submission.account == body.account.name, Submission.key == body.key
    )
    return first(connection, query, Taken)


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

    return write(engine, work)


def open_upload(connection: Connection, body: Body, *, who: str, title: str | None) -> str:
    """Insert an upload that is under way; return its id."""
    accounts.meet(connection, body.account)
    moment = now(connection)
    broadcast_id = _new_id(connection, moment)
    connection.execute(
        insert(BroadcastRow).values(
            id=broadcast_id, account=body.account.name, key=body.key, title=title,
            created_by=who, phase=Phase.UPLOADING, version=0, breaker_since=0,
            created_at=moment, uploading_at=moment, batch_size=plan.LARGEST, late_by_s=0,
            unattended_s=0, **_said(connection, body),
        )
    )  # fmt: skip
    return broadcast_id


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


def _new_id(connection: Connection, moment: datetime) -> str:
    date = moment.astimezone(day.SHANGHAI).strftime("%Y%m%d")
    while True:
        drawn = f"{date}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"
        if connection.scalar(select(BroadcastRow.id).where(BroadcastRow.id == drawn)) is None:
            return drawn


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
        lanes.hold(connection, body.account.name)
        there = same(connection, body)
        if there is not None and there != broadcast_id:
            raise PublishedMeanwhileError(there)
        upload_beat.alive(connection, broadcast_id, fence=fence)
        if fence is not None:
            said = _said(connection, body)
            connection.execute(
                update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(**said)
            )
        if not terms.again:
            _refuse_repeated(connection, body)
        wanted = _wanted(body, broadcast_id, figures=figures, terms=terms)
        proof = quotas.prove(connection, wanted, quota=quota)
        plan.refuse_what_does_not_fit(proof)
        moment = now(connection)
        _store(connection, broadcast_id, body, moment=moment)
        drafts.begin(connection, broadcast_id, body, moment=moment)
        renewals.begin(connection, broadcast_id, body.content, appid=body.account.appid)
        _flip(
            connection, broadcast_id, figures=figures, moment=moment,
            terms=replace(terms, notify_url=terms.notify_url or body.account.notify_url),
        )  # fmt: skip
        quotas.reserve(connection, wanted, proof, quota=quota)
        note(
            connection, EventKind.SUBMITTED, who=terms.who, broadcast_id=broadcast_id,
            planned=figures.planned,
        )  # fmt: skip
        scheduled = _waits(connection, broadcast_id, body, who=terms.who, moment=moment)
        passing(Point.SUBMIT_PUBLISHING)
        return Published(proof=proof, scheduled=scheduled, now=moment)

    published = write(engine, work)
    passing(Point.SUBMIT_PUBLISHED)
    return published


def _waits(
    connection: Connection, broadcast_id: str, body: Body, *, who: str, moment: datetime
) -> bool:
    """Let a broadcast wait for its time, or go on at once; return whether it waits."""
    scheduled = body.scheduled_at is not None and body.scheduled_at > moment
    if scheduled:
        later = Closing(
            kind=GateKind.SCHEDULE, who=who, broadcast_id=broadcast_id, until=body.scheduled_at
        )
        gates.close(connection, body.account.name, later)
    else:
        due.refresh_of(connection, body.account.name, [broadcast_id])
    return scheduled


def _wanted(body: Body, broadcast_id: str | None, *, figures: Figures, terms: Terms) -> Wanted:
    """Return the calls that a submit holds; of what only the plan shows, one."""
    return Wanted(
        account=body.account.name, path=body.audience.path, calls=figures.calls or 1,
        broadcast_id=broadcast_id, at=body.scheduled_at, spread=terms.spread_days,
        shared=body.account.shared_quota,
    )  # fmt: skip


def take_key(
    connection: Connection, broadcast_id: str, body: Body, *, moment: datetime, digest: str | None
) -> None:
    """Let the key of *body* stand for a broadcast; *digest*: None while its list is awaited."""
    connection.execute(
        insert(Submission).values(
            account=body.account.name, key=body.key, body_digest=digest,
            options_digest=body.options_digest, broadcast_id=broadcast_id, created_at=moment,
        )
    )  # fmt: skip


def _store(connection: Connection, broadcast_id: str, body: Body, *, moment: datetime) -> None:
    if body.reserved is None:
        take_key(connection, broadcast_id, body, moment=moment, digest=body.digest)
        return
    connection.execute(
        update(Submission)
        .where(Submission.account == body.account.name, Submission.key == body.key)
        .values(body_digest=body.digest)
    )


def _flip(
    connection: Connection,
    broadcast_id: str,
    *,
    figures: Figures,
    terms: Terms,
    moment: datetime,
) -> None:
    for reason, (count, sample) in figures.samples.items():
        if count:
            connection.execute(
                insert(Skipped).values(
                    broadcast_id=broadcast_id, reason=reason, count=count,
                    sample=json.dumps(list(sample), ensure_ascii=False),
                )
            )  # fmt: skip
    connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id)
        .values(
            phase=Phase.PLANNING, published_at=moment, moved_at=moment, uploading_at=None,
            read=figures.read, malformed=figures.malformed, duplicate=figures.duplicate,
            planned=figures.planned, calls_planned=figures.calls, title=terms.title,
            spread_days=terms.spread_days, priority=terms.priority, batch_size=terms.batch_size,
            notify_url=terms.notify_url, late_by_s=int(terms.late_by.total_seconds()),
            version=BroadcastRow.version + 1,
        )
    )  # fmt: skip


def _refuse_repeated(connection: Connection, body: Body) -> None:
    """Refuse the same send under another key; under the same one it is no repeat, but found."""
    since = now(connection) - REPEAT_WITHIN
    cancelled = closed_gates.is_cancelled(BroadcastRow.id)
    called = exists().where(Batch.broadcast_id == BroadcastRow.id, Batch.attempts > 0)
    earlier = connection.execute(
        select(BroadcastRow.id, BroadcastRow.created_at)
        .where(
            BroadcastRow.account == body.account.name,
            BroadcastRow.key != body.key,
            BroadcastRow.content_identity == media.identity(connection, body.content),
            BroadcastRow.audience_digest == body.audience_digest,
            # Another part of the same audience is another send.
            BroadcastRow.share_digest.is_not_distinct_from(body.selection.share_digest),
            BroadcastRow.phase != Phase.UPLOADING,
            # A cancelled one counts if any of it was called: somebody may have got it.
            or_(~cancelled, called),
            # One that waited for its time, or was paused, is as fresh as its last call.
            or_(
                BroadcastRow.created_at > since,
                BroadcastRow.finished_at.is_(None),
                BroadcastRow.finished_at > since,
            ),
        )
        .order_by(BroadcastRow.created_at.desc())
    ).first()
    if earlier is not None:
        raise RepeatedSendError("error.submit.repeated", id=earlier.id, at=earlier.created_at)


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
        if not terms.again:
            _refuse_repeated(connection, body)
        return quotas.prove(
            connection, _wanted(body, None, figures=figures, terms=terms), quota=quota
        )
