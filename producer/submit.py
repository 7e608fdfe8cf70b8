"""Submitting: an audience and a content become a broadcast, or nothing at all.

:func:`prepare` looks (the key, what was sent since yesterday, the calls that are left) and stores
nothing. :func:`store` writes the audience in chunks that nobody sees, publishes them by one flip,
and wakes only after the commit: a broker that is away costs time, never a broadcast.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from broadcast import plan, rest
from broadcast.accounts import Account, AccountKind
from broadcast.content import Content
from broadcast.crashpoints import Point, passing
from broadcast.errors import (
    BrokerAwayError,
    DatabaseAwayError,
    InputError,
    OutOfReachError,
    PlanError,
    UnknownIdError,
)
from broadcast.message import Message
from broadcast.plan import submission
from broadcast.plan.audience import OpenIDs
from broadcast.states import BroadcastState, Phase
from models.ledger import quotas, submits, uploads
from models.ledger.reading import reports
from producer.audience import Audience
from producer.schedule import refuse_what_is_not_ahead

LONGEST_KEY = 128
LONGEST_TITLE = 64
#: The highest priority that a person gives a broadcast; the lowest is its negative, 0 is usual.
HIGHEST_PRIORITY = 100


class QuotaSource(Protocol):
    """Asks WeChat for the calls of mass/send that an account has left today."""

    def quota(self, account: Account) -> plan.Quota | None:
        """Return WeChat's answer, or None where none can be had now."""


class Waker(Protocol):
    """Calls a worker."""

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast. Raises BrokerAwayError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person or a program asks for, beside the audience."""

    account: Account
    content: Content
    key: str
    terms: submission.Terms
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An order held against the database and WeChat; nothing is stored yet."""

    body: submission.Body
    figures: submission.Figures
    terms: submission.Terms
    sizes: Sequence[int]
    #: The database's moment when it was looked for its key.
    now: datetime
    #: The broadcast that has this key and this body already.
    existing: str | None
    #: None where *existing* is given: it was proved in its time.
    proof: plan.Proof | None
    quota: plan.Quota | None
    notices: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A broadcast that is stored."""

    id: str
    #: False where the same key and body had been submitted before.
    created: bool
    #: It waits for its time.
    scheduled: bool
    #: The database's moment of that.
    now: datetime
    proof: plan.Proof | None
    notices: tuple[Message, ...]


def new_key() -> str:
    """Return a key for somebody who gave none."""
    return f"auto-{secrets.token_hex(8)}"


def checked_key(key: str) -> str:
    """Return *key*. Raises InputError where it is empty, too long or unprintable."""
    if not key.strip():
        raise InputError("error.key.empty")
    if len(key) > LONGEST_KEY:
        raise InputError("error.key.too_long", length=len(key), most=LONGEST_KEY)
    if not key.isprintable():
        raise InputError("error.key.unprintable")
    return key


def checked_title(title: str) -> str:
    """Return *title*. Raises InputError where it is empty, too long or unprintable."""
    if not title.strip():
        raise InputError("error.title.empty")
    if len(title) > LONGEST_TITLE:
        raise InputError("error.title.too_long", length=len(title), most=LONGEST_TITLE)
    if not title.isprintable():
        raise InputError("error.title.unprintable")
    return title


def prepare(order: Order, audience: Audience, *, engine: Engine, quota: QuotaSource) -> Prepared:
    """Hold an order against the ledger and WeChat's quota, storing nothing.

    Raises RepeatedSendError, ConflictError, InputError (its time is past
    by the database's clock, or too far ahead), PlanError (the account's kind cannot send by OpenID)
    and DatabaseAwayError. A plan that does not fit is told by ``proof``, and refused by
    :func:`store`.
    """
    if order.account.account_kind is AccountKind.SUBSCRIPTION:
        raise PlanError("error.plan.account_kind", account=order.account.name)
    body = _body(order, audience)
    sizes = list(plan.cut(audience.planned, order.terms.batch_size))
    look = submits.look(engine, body)
    prepared = Prepared(
        body=body, figures=_figures(audience, calls=len(sizes)), terms=order.terms, sizes=sizes,
        now=look.now, existing=look.existing, proof=None, quota=None,
        notices=(*order.content.notices, *_doubtful(audience)),
    )  # fmt: skip
    if prepared.existing is not None:
        # Its time may have come since: whoever repeats a command finds what it stored.
        return prepared
    if body.scheduled_at is not None:
        refuse_what_is_not_ahead(body.scheduled_at, now=look.now, machine_now=look.machine_now)
    answer = quota.quota(order.account)
    try:
        proof = submits.dry_run(
            engine, body, figures=prepared.figures, terms=order.terms, quota=answer
        )
    except submission.PublishedMeanwhileError as there:
        # WeChat takes its time to answer, and a second process with the same key need not wait.
        return replace(prepared, existing=there.id)
    notices = (*prepared.notices, *_overlapping(engine, body, audience))
    if answer is None:
        notices = (*notices, Message("notice.plan.unproved"))
    return replace(prepared, proof=proof, quota=answer, notices=notices)


def refuse_what_does_not_fit(prepared: Prepared) -> None:
    """Raise PlanError, with the shortest fix, when the account's day has no room for the plan."""
    if prepared.proof is not None:
        plan.refuse_what_does_not_fit(prepared.proof)


def store(prepared: Prepared, audience: Audience, *, engine: Engine, waker: Waker) -> Submitted:
    """Store and publish what was prepared, then wake.

    Raises what refuses it (PlanError, RepeatedSendError …), and then nothing is stored. After a
    DatabaseAwayError it may be stored all the same: the same key brings it to light.
    """
    if prepared.existing is not None:
        return _again(prepared, prepared.existing, engine=engine, waker=waker)
    refuse_what_does_not_fit(prepared)
    try:
        broadcast_id, published = _publish(prepared, audience, engine=engine)
    except submission.PublishedMeanwhileError as there:
        return _again(prepared, there.id, engine=engine, waker=waker)
    if prepared.quota is not None:
        # A note for people; nothing is decided by it, and the broadcast is stored without it too.
        with contextlib.suppress(OutOfReachError):
            quotas.remember(engine, prepared.body.account, prepared.quota)
    notices = tuple[Message, ...]()
    if not published.scheduled:
        # What waits for its time is launched by beat.
        notices = _wake(waker, broadcast_id)
    return Submitted(
        id=broadcast_id, created=True, scheduled=published.scheduled, now=published.now,
        proof=published.proof, notices=(*prepared.notices, *notices),
    )  # fmt: skip


def _publish(
    prepared: Prepared, audience: Audience, *, engine: Engine
) -> tuple[str, submission.Published]:
    """Upload and publish; return the id and as what it was stored."""
    broadcast_id = submits.begin(
        engine, prepared.body, who=prepared.terms.who, title=prepared.terms.title
    )
    passing(Point.SUBMIT_BEGUN)
    with _all_or_nothing(engine, broadcast_id):
        uploads.add_chunks(engine, broadcast_id, audience.chunks())
        passing(Point.SUBMIT_STORED)
        published = submits.publish(
            engine, broadcast_id, prepared.body, figures=prepared.figures, terms=prepared.terms,
            quota=prepared.quota,
        )  # fmt: skip
    return broadcast_id, published


@contextlib.contextmanager
def _all_or_nothing(engine: Engine, broadcast_id: str) -> Iterator[None]:
    """Forget the upload when anything stops it, Ctrl-C too; what was published stays."""
    try:
        yield
    except BaseException:
        # With the database away the sweep forgets it: an upload without a beat is dead.
        with contextlib.suppress(DatabaseAwayError):
            uploads.abandon(engine, broadcast_id)
        raise


def _again(prepared: Prepared, broadcast_id: str, *, engine: Engine, waker: Waker) -> Submitted:
    """Answer with the broadcast that is there; wake again if it still waits for its plan.

    Of one that was removed since, the key alone is left.
    """
    try:
        told = reports.report(engine, broadcast_id, whole=False)
    except UnknownIdError:
        return Submitted(
            id=broadcast_id, created=False, scheduled=False, now=prepared.now, proof=None,
            notices=prepared.notices,
        )  # fmt: skip
    notices = tuple[Message, ...]()
    scheduled = told.state is BroadcastState.SCHEDULED
    if told.phase is Phase.PLANNING and not scheduled:
        notices = _wake(waker, broadcast_id)
    return Submitted(
        id=broadcast_id, created=False, scheduled=scheduled, now=told.now, proof=None,
        notices=(*prepared.notices, *notices),
    )  # fmt: skip


def _wake(waker: Waker, broadcast_id: str) -> tuple[Message, ...]:
    """Wake a planner; return the notice where it cannot be: then the sweep does when it is due."""
    try:
        waker.wake_planner(broadcast_id)
        passing(Point.SUBMIT_WOKEN)
    except BrokerAwayError as error:
        reason = error.facts.get("reason", "")
        return (Message("notice.submit.not_woken", reason=reason),)
    return ()


def _doubtful(audience: Audience) -> tuple[Message, ...]:
    """Notice OpenIDs that do not look like WeChat's; its pages do not say that they must."""
    count = audience.planned - audience.beginning_with("o")
    if not count:
        return ()
    return (Message("notice.audience.not_o", count=count, planned=audience.planned),)


def _overlapping(engine: Engine, body: submission.Body, audience: Audience) -> Iterator[Message]:
    """Notice earlier broadcasts that a part of this list got, or may have: it would get both."""
    from models.ledger.reading import overlaps  # noqa: PLC0415 - numpy, which not all need

    for one in overlaps.overlaps(engine, body, audience.chunks()):
        commands = rest.listing(one.id, one.rest)
        yield Message(
            "notice.submit.overlap" if commands else "notice.submit.overlap_no_rest",
            count=one.followers, planned=audience.planned, id=one.id, at=one.started_at,
            commands=" && ".join(commands), file=rest.FILE,
        )  # fmt: skip


def _body(order: Order, audience: Audience) -> submission.Body:
    return submission.Body(
        account=order.account, key=checked_key(order.key), content=order.content.canonical,
        content_digest=order.content.digest, msgtype=order.content.msgtype,
        audience=OpenIDs(digest=audience.digest), scheduled_at=order.scheduled_at,
    )  # fmt: skip


def _figures(audience: Audience, *, calls: int) -> submission.Figures:
    return submission.Figures(
        read=audience.read, malformed=audience.malformed.count,
        duplicate=audience.duplicate.count, planned=audience.planned, calls=calls,
        samples={
            "malformed": (audience.malformed.count, audience.malformed.sample),
            "duplicate": (audience.duplicate.count, audience.duplicate.sample),
        },
    )  # fmt: skip
