"""Submits: an audience is stored in chunks that nobody sees, then published by one flip.

The flip is one transaction under the account's lane: it looks for the same send under another key,
holds the plan against the calls that are free, and makes the broadcast visible. Until then nothing
was promised, and an upload that died is taken over or swept.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, exists, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from broadcast import day, plan
from broadcast.crashpoints import Point, passing
from broadcast.errors import ConflictError, InputError, RepeatedSendError
from broadcast.message import Message
from broadcast.states import BroadcastState
from broadcast.submission import (
    Body,
    Figures,
    Look,
    Published,
    PublishedMeanwhileError,
    TakenOverError,
    Terms,
)
from models import engine as engines
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import accounts, lanes, quotas, transitions, uploads
from models.ledger.reading import known
from models.ledger.transaction import read, snapshot, write
from models.skipped import Skipped

#: Each chunk of an upload shows that it lives; one that was silent for this long has died.
UPLOAD_DEAD = timedelta(seconds=60)
#: PostgreSQL: how long the row of a dead upload is waited for; another who clears it needs less.
OWNER_HOLDS_S = 10
#: Each try draws a new id of 900 million a day.
BEGIN_TRIES = 5
REPEAT_WITHIN = timedelta(hours=24)
#: Letters without those that are mistaken for each other when an id is read out.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


class PackLike(Protocol):
    """The OpenIDs of one batch."""

    @property
    def n(self) -> int:
        """Its number, from 1."""

    @property
    def size(self) -> int:
        """How many OpenIDs it has."""

    @property
    def first(self) -> str:
        """Its first OpenID."""

    @property
    def last(self) -> str:
        """Its last OpenID."""

    @property
    def packed(self) -> bytes:
        """Its OpenIDs, 21 bytes each."""


def find(engine: Engine, body: Body) -> str | None:
    """Return the id of the broadcast that has this key and this body, if there is one.

    Raises ConflictError when the key is taken by another body, InputError while another process is
    uploading under it, and SettingsError when the account's name has had another appid.
    """
    return look(engine, body).existing


def look(engine: Engine, body: Body) -> Look:
    """Do what :func:`find` does, and tell when."""
    with read(engine) as connection:
        moment, machine = now(connection), datetime.now(UTC)
        known.refuse_changed(connection, body.account)
        return Look(existing=_same(connection, body), now=moment, machine_now=machine)


def _same(connection: Connection, body: Body) -> str | None:
    row = connection.execute(
        select(
            BroadcastRow.id, BroadcastRow.account, BroadcastRow.state, BroadcastRow.content_digest,
            BroadcastRow.audience_digest, BroadcastRow.uploading_at, BroadcastRow.scheduled_at,
        ).where(BroadcastRow.key == body.key)
    ).first()  # fmt: skip
    if row is None:
        return None
    if row.state is BroadcastState.UPLOADING:
        if row.uploading_at and row.uploading_at > now(connection) - UPLOAD_DEAD:
            raise InputError("error.submit.uploading", key=body.key, id=row.id)
        return None
    theirs = (row.account, row.content_digest, row.audience_digest)
    if theirs != (body.account.name, body.content_digest, body.audience_digest):
        raise ConflictError("error.submit.key_taken", key=body.key, id=row.id)
    if row.scheduled_at != body.scheduled_at:
        # Moments are compared, not how they were written.
        raise ConflictError(
            "error.submit.other_time", key=body.key, id=row.id, at=_time(body.scheduled_at),
            stored=_time(row.scheduled_at),
        )  # fmt: skip
    return str(row.id)


def _time(at: datetime | None) -> str | Message:
    """Return when a broadcast is to be sent."""
    if at is None:
        return Message("submit.at_once")
    return at.astimezone(day.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def begin(engine: Engine, body: Body, *, who: str) -> str:
    """Open an upload and return its id; a dead upload under the same key is cleared away.

    Where others were quicker under this key, raises what :func:`find` would: InputError while they
    upload, ConflictError when they published another body. Raises PublishedMeanwhileError with the
    id of the same body.
    """
    for _ in range(BEGIN_TRIES - 1):
        try:
            return _begin(engine, body, who)
        except IntegrityError:
            there = find(engine, body)
        if there is not None:
            raise PublishedMeanwhileError(there)
        # Nobody has the key (any more): the random id was taken, or the others gave up.
    return _begin(engine, body, who)


def _begin(engine: Engine, body: Body, who: str) -> str:
    dead = write(engine, lambda connection: _give_up_dead(connection, body))
    if dead is not None:
        uploads.clear(engine, dead)
    return write(engine, lambda connection: _open(connection, body, who))


def _give_up_dead(connection: Connection, body: Body) -> str | None:
    """Give up the dead upload under a body's key, if there is one; return its id.

    Raises InputError where its owner holds it: a command that was stopped while it sent a chunk is
    silent, and PostgreSQL waits for the rest of the chunk for ever.
    """
    accounts.meet(connection, body.account)
    dead = (
        select(BroadcastRow.id)
        .where(BroadcastRow.key == body.key, BroadcastRow.state == BroadcastState.UPLOADING)
        .where(uploads.silent_for(connection, UPLOAD_DEAD))
    )
    looked_dead = connection.scalar(dead)
    if looked_dead is None:
        return None
    engines.wait_for_locks_no_longer_than(connection, OWNER_HOLDS_S)
    try:
        held = connection.scalar(dead.with_for_update())
    except DBAPIError as error:
        if not engines.is_held(error):
            raise
        raise InputError("error.submit.uploading", key=body.key, id=looked_dead) from None
    if held is not None:
        uploads.give_up(connection, held)
    return held


def _open(connection: Connection, body: Body, who: str) -> str:
    known.refuse_changed(connection, body.account)
    moment = now(connection)
    broadcast_id = _new_id(moment)
    connection.execute(
        insert(BroadcastRow).values(
            id=broadcast_id, account=body.account.name, key=body.key, created_by=who,
            state=BroadcastState.UPLOADING, msgtype=body.msgtype, content=body.content,
            content_digest=body.content_digest, audience_digest=body.audience_digest,
            scheduled_at=body.scheduled_at, created_at=moment, uploading_at=moment,
        )
    )  # fmt: skip
    return broadcast_id


def _new_id(moment: datetime) -> str:
    date = moment.astimezone(day.SHANGHAI).strftime("%Y%m%d")
    return f"{date}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


def add_packs(engine: Engine, broadcast_id: str, packs: Iterable[PackLike]) -> None:
    """Store packs in short transactions, each of which shows that the upload lives.

    Raises TakenOverError if the upload was taken over meanwhile.
    """
    rest = iter(packs)
    while some := list(islice(rest, uploads.PACKS_AT_ONCE)):
        rows = [
            {
                "broadcast_id": broadcast_id, "n": pack.n, "size": pack.size,
                "first_openid": pack.first, "last_openid": pack.last, "openids": pack.packed,
            }
            for pack in some
        ]  # fmt: skip

        def work(connection: Connection, rows: list[dict[str, Any]] = rows) -> None:
            alive(connection, broadcast_id)
            connection.execute(insert(Pack), rows)

        write(engine, work)


def alive(connection: Connection, broadcast_id: str) -> None:
    """Show that the upload lives; raise TakenOverError if it is not ours any more."""
    kept = connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.state == BroadcastState.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None))
        .values(uploading_at=now(connection))
    )
    if kept.rowcount != 1:
        raise TakenOverError("error.submit.taken_over", id=broadcast_id)


def abandon(engine: Engine, broadcast_id: str) -> None:
    """Forget an upload that was not published: nothing stays half stored."""
    write(engine, lambda connection: uploads.give_up(connection, broadcast_id))
    uploads.clear(engine, broadcast_id)


def publish(
    engine: Engine,
    broadcast_id: str,
    body: Body,
    *,
    figures: Figures,
    terms: Terms,
    quota: plan.Quota | None,
) -> Published:
    """Flip the upload into sight, or raise what refuses it; the caller then abandons it.

    One whose time passed during the upload goes out at once, as if it had been launched.

    Raises TakenOverError, RepeatedSendError (the same send within 24 h under another key) and
    PlanError.
    """

    def work(connection: Connection) -> Published:
        lanes.hold(connection, body.account.name)
        alive(connection, broadcast_id)
        if not terms.again:
            _refuse_repeated(connection, body)
        proof = quotas.prove(
            connection, body.account.name, calls=figures.calls, at=body.scheduled_at,
            spread=terms.spread_days, quota=quota,
        )  # fmt: skip
        plan.refuse_what_does_not_fit(proof)
        _store_skipped(connection, broadcast_id, figures)
        moment = now(connection)
        later = body.scheduled_at is not None and body.scheduled_at > moment
        state = BroadcastState.SCHEDULED if later else BroadcastState.PLANNING
        transitions.move_broadcast(
            connection, broadcast_id, state,
            who=terms.who, published_at=moment, uploading_at=None,
            read=figures.read, malformed=figures.malformed, duplicate=figures.duplicate,
            planned=figures.planned, calls_planned=figures.calls,
            spread_days=terms.spread_days, priority=terms.priority,
        )  # fmt: skip
        passing(Point.SUBMIT_PUBLISHING)
        return Published(proof=proof, state=state, now=moment)

    published = write(engine, work)
    passing(Point.SUBMIT_PUBLISHED)
    return published


def _refuse_repeated(connection: Connection, body: Body) -> None:
    """Refuse the same send under another key; under the same one it is no repeat, but found."""
    since = now(connection) - REPEAT_WITHIN
    earlier = connection.execute(
        select(BroadcastRow.id, BroadcastRow.created_at)
        .where(
            BroadcastRow.account == body.account.name,
            BroadcastRow.key != body.key,
            BroadcastRow.content_digest == body.content_digest,
            BroadcastRow.audience_digest == body.audience_digest,
            BroadcastRow.state != BroadcastState.UPLOADING,
            # A cancelled one counts if any of it was called: somebody may have got it.
            or_(
                BroadcastRow.state != BroadcastState.CANCELLED,
                exists().where(Batch.broadcast_id == BroadcastRow.id, Batch.attempts > 0),
            ),
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
        at = earlier.created_at.astimezone(day.SHANGHAI).strftime("%Y-%m-%d %H:%M")
        raise RepeatedSendError("error.submit.repeated", id=earlier.id, at=at)


def _store_skipped(connection: Connection, broadcast_id: str, figures: Figures) -> None:
    for reason, (count, sample) in figures.samples.items():
        if count:
            connection.execute(
                insert(Skipped).values(
                    broadcast_id=broadcast_id, reason=reason, count=count,
                    sample=json.dumps(list(sample), ensure_ascii=False),
                )
            )  # fmt: skip


def dry_run(
    engine: Engine, body: Body, *, calls: int, terms: Terms, quota: plan.Quota | None
) -> plan.Proof:
    """Prove the plan without storing anything. Raises what :func:`publish` would, but PlanError.

    Raises PublishedMeanwhileError, and what :func:`find` raises, for what was stored under the key
    since the caller looked: it holds calls of its own, which are no reason to refuse its repeat.
    """
    with snapshot(engine) as connection:
        there = _same(connection, body)
        if there is not None:
            raise PublishedMeanwhileError(there)
        if not terms.again:
            _refuse_repeated(connection, body)
        return quotas.prove(
            connection, body.account.name, calls=calls, at=body.scheduled_at,
            spread=terms.spread_days, quota=quota,
        )  # fmt: skip
