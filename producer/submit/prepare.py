"""Preparing a submit, which stores nothing.

An order is held against the ledger and WeChat: its key, what was sent since yesterday, the calls
that are left, how long its media live. Its files are uploaded when everything else is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Protocol

from sqlalchemy import Engine

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account, check_kind_allows
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.content import Content
from broadcast.rules.overlap import ListOverlaps
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.plan import submission
from broadcast.rules.plan.audience import Everyone, OpenIDs
from models.ledger.lists.media import used_under_key
from models.ledger.rows.transaction import shared_snapshot
from models.ledger.submit import submits
from producer.audience import openid_list
from producer.media.file import ContentWithFiles, refuse_what_no_file_has
from producer.media.upload import (
    UploadCache,
    Uploader,
    last_start,
    must_be_kept,
    refuse_what_dies,
    uploaded,
    with_known_ids,
)
from producer.submit import checks
from producer.submit.checks import ListOwner
from producer.submit.narrowing import Estimate, Narrowing, Tagged
from producer.submit.order import (
    Order,
    StoredAudience,
    Whom,
    checked_key,
    refuse_what_is_not_ahead,
    stored_audience_of,
)

#: A file that was uploaded before is used again for a plan over several days if it lives so long.
MOST_CACHED_DAYS = timedelta(days=2)


class Reader(Enum):
    """Reader of the ledger's facts of a list before it is stored."""

    #: Is warned of an earlier version alone: who submits many pays for no more.
    PROGRAM = auto()
    #: Is shown all of it.
    PERSON = auto()


class QuotaSource(Protocol):
    """Asks WeChat for the calls of one interface that an account has left today."""

    def quota(self, account: Account, path: SendPath) -> proof_module.Quota | None:
        """Return WeChat's answer, or None where none can be had now."""


@frozen
class Prepared:
    """An order held against the database and WeChat; nothing is stored yet."""

    body: submission.Body
    wanted: StoredAudience
    terms: submission.Terms
    excluded: Sequence[openid_list.OpenIDs]
    #: The database's moment when it was looked for its key.
    now: datetime
    #: The broadcast that has this key and this body already.
    existing: str | None
    #: None where *existing* is given: it was proved in its time.
    proof: proof_module.Proof | None
    quota: proof_module.Quota | None
    notices: tuple[Message, ...]
    #: With the files that must be uploaded before it is stored, if any.
    content: Content
    #: Its files die before its last call may start: they are stored, and uploaded again then.
    keeps_files: bool = False
    #: What the followers of the list got and will get; None: nobody looked, as for a program.
    known: ListOverlaps | None = None
    #: Who would get it now; None: everybody on the list, or those whom WeChat alone knows.
    estimate: Estimate | None = None
    #: Sends that count against WeChat's allowance, where there is one.
    sendalls: checks.SendallCount | None = None
    #: Whose list it is, where that is doubtful.
    list_owner: ListOwner | None = None

    @property
    def figures(self) -> submission.Figures:
        """Lines read, and how many remain where that is known."""
        return self.wanted.figures

    @property
    def starts(self) -> datetime:
        """The due time of the first call."""
        return max(self.now, self.body.scheduled_at or self.now)

    @property
    def people(self) -> int | None:
        """People who get it, as far as is known now; None: those of WeChat's own lists."""
        return self.figures.planned if self.estimate is None else self.estimate.left

    @property
    def sizes(self) -> Sequence[int]:
        """The sizes of the calls; empty where they are not known."""
        return self.wanted.sizes


def prepare(
    order: Order,
    whom: Whom,
    *,
    engine: Engine,
    quota: QuotaSource,
    tagged: Tagged | None = None,
    reader: Reader = Reader.PROGRAM,
    today: Callable[[], None] | None = None,
    others: Sequence[str] = (),
) -> Prepared:
    """Check an order against the ledger and WeChat's quota, storing nothing.

    *today* raises what else refuses it now, by short looks at the ledger: a repeat of what is
    stored needs none of that. *others*: the accounts that may be named as the list's. Raises
    RepeatedSendError, ConflictError, InputError (its time is past by the database's clock, or too
    far ahead), PlanError (the account's kind cannot send so), MediaError and DatabaseAwayError. A
    plan that does not fit is reported by ``proof``, and refused by
    :func:`producer.submit.store.store`.
    """
    refuse_what_no_file_has(order.content)
    order = _with_known_media(order, engine=engine)
    wanted = stored_audience_of(whom, largest=order.terms.batch_size)
    body = _body(order, wanted)
    narrowing = Narrowing(
        engine=engine,
        account=order.account,
        wanted=wanted,
        selection=order.selection,
        files=order.excluded,
    )
    with shared_snapshot(engine):
        look = submits.look_up_key(engine, body)
        prepared = _begun(order, wanted, body=body, look=look)
        if prepared.existing is not None:
            # Its time may have come since: a repeated command finds what it stored.
            return prepared
        _refuse_what_cannot_be(prepared, narrowing, look, today=today)
        if wanted.listed is not None:
            owner = checks.doubtful(engine, order.account.name, wanted.listed, others=others)
            prepared = _with_owner(prepared, owner, reader=reader)
        is_counted = narrowing.is_counted()
    if is_counted:
        prepared = _narrowed(prepared, narrowing, tagged=tagged)
    # WeChat takes its time to answer: no transaction is open meanwhile.
    prepared = replace(prepared, quota=quota.quota(body.account, body.audience.path))
    return _with_proof(prepared, narrowing, engine=engine, reader=reader)


def stored_as(order: Order, whom: Whom, *, engine: Engine) -> str | None:
    """Return the broadcast that has the key and the body of *order*, if there is one.

    Raises ConflictError where its key has another body, and what
    :func:`models.ledger.submit.submits.find` raises.
    """
    wanted = stored_audience_of(whom, largest=order.terms.batch_size)
    return submits.find(engine, _body(order, wanted))


def _begun(
    order: Order, wanted: StoredAudience, *, body: submission.Body, look: submission.KeyLookup
) -> Prepared:
    """Return an order as the first look at the ledger found it."""
    return Prepared(
        body=body,
        wanted=wanted,
        terms=order.terms,
        excluded=order.excluded,
        now=look.now,
        existing=look.existing,
        proof=None,
        quota=None,
        notices=(*order.content.notices, *wanted.notices),
        content=order.content,
    )


def _with_owner(prepared: Prepared, owner: ListOwner | None, *, reader: Reader) -> Prepared:
    """Add whose list it is; a person is asked about most of that."""
    if owner is None or (reader is Reader.PERSON and owner.must_be_confirmed):
        return replace(prepared, list_owner=owner)
    return replace(prepared, list_owner=owner, notices=(*prepared.notices, owner.message))


def _refuse_what_cannot_be(
    prepared: Prepared,
    narrowing: Narrowing,
    look: submission.KeyLookup,
    *,
    today: Callable[[], None] | None,
) -> None:
    """Raise what refuses an order before anybody is counted and WeChat is asked."""
    body = prepared.body
    check_kind_allows(body.account, body.audience.path)
    if today is not None:
        today()
    if body.scheduled_at is not None:
        refuse_what_is_not_ahead(body.scheduled_at, now=look.now, machine_now=look.machine_now)
    narrowing.refuse_what_cannot_be(at=prepared.starts)


def _with_proof(
    prepared: Prepared, narrowing: Narrowing, *, engine: Engine, reader: Reader
) -> Prepared:
    """Add the proof of the plan and the warnings for its reader."""
    try:
        with shared_snapshot(engine):
            prepared = _proved(prepared, engine=engine)
            count = checks.count_sendalls(engine, prepared.body, now=prepared.now)
            earlier = _earlier(prepared, narrowing, engine=engine, reader=reader)
    except submission.PublishedMeanwhileError as existing:
        # A second process with the same key need not wait for WeChat.
        return replace(prepared, existing=existing.id, quota=None)
    prepared = _with_overlaps(prepared, narrowing, earlier, engine=engine, reader=reader)
    used_up = () if count is None else checks.used_up(prepared.body, count)
    notices = (*prepared.notices, *used_up)
    if isinstance(prepared.body.audience, Everyone):
        notices = (*notices, *prepared.body.account.asked(prepared.starts))
    if prepared.quota is None:
        notices = (*notices, Message("notice.plan.unproved"))
    return replace(prepared, notices=notices, sendalls=count)


def _narrowed(prepared: Prepared, narrowing: Narrowing, *, tagged: Tagged | None) -> Prepared:
    """Remove people who are not selected, as far as is known now."""
    estimate = narrowing.estimate(tagged)
    fewer = narrowing.applied(estimate, largest=prepared.terms.batch_size)
    return replace(prepared, wanted=fewer, estimate=estimate)


def _proved(prepared: Prepared, *, engine: Engine) -> Prepared:
    """Add the proof of the plan, and whether its files outlive it.

    Raises what :func:`models.ledger.submit.submits.dry_run` does, and MediaError.
    """
    body, content = prepared.body, prepared.content
    proof = submits.dry_run(
        engine, body, figures=prepared.figures, terms=prepared.terms, quota=prepared.quota
    )
    last = last_start(prepared.starts, days=proof.days)
    refuse_what_dies(engine, body.account, content, now=prepared.now, last=last)
    keeps_files = must_be_kept(engine, content, now=prepared.now, last=last)
    return replace(prepared, proof=proof, keeps_files=keeps_files)


def _with_known_media(order: Order, *, engine: Engine) -> Order:
    """Return *order* with the media_ids of earlier uploads in its files."""
    if not isinstance(order.content, ContentWithFiles):
        return order
    dead = used_under_key(engine, order.account, order.key)
    cache = _upload_cache(engine, order.account, order.terms, at=order.scheduled_at)
    content = with_known_ids(order.content, cache=cache, dead=dead)
    return replace(order, content=content)


def _upload_cache(
    engine: Engine, account: Account, terms: submission.Terms, *, at: datetime | None
) -> UploadCache:
    """Return the uploads that live as long as is known before the plan is proved."""
    lasting = MOST_CACHED_DAYS if terms.spread_days else timedelta()
    return UploadCache(engine, account, at=at, lasting=lasting)


def upload(prepared: Prepared, *, engine: Engine, uploader: Uploader) -> Prepared:
    """Upload the files of what was prepared. Raises what the uploader does, and nothing is stored.

    A file that was uploaded before something failed is not uploaded again.
    """
    body = prepared.body
    cache = UploadCache(
        engine, body.account
    )  # Where it keeps files, no upload of today lives so long.
    if not prepared.keeps_files:
        cache = _upload_cache(engine, body.account, prepared.terms, at=body.scheduled_at)
    content = uploaded(prepared.content, cache=cache, uploader=uploader)
    body = replace(body, content=content.canonical, content_digest=content.digest)
    return replace(prepared, content=content, body=body)


def _earlier(
    prepared: Prepared, narrowing: Narrowing, *, engine: Engine, reader: Reader
) -> Sequence[Any]:
    """Find the broadcasts that a program is warned of."""
    if reader is Reader.PERSON or narrowing.is_known_to_wechat_alone:
        return ()
    return checks.earlier(engine, _of_those_left(prepared), moment=prepared.now)


def _of_those_left(prepared: Prepared) -> submission.Body:
    """Return the prepared body: without those who are left out it is another list."""
    body = prepared.body
    return body if prepared.estimate is None else replace(body, audience=OpenIDs(digest=""))


def _with_overlaps(
    prepared: Prepared,
    narrowing: Narrowing,
    earlier: Sequence[Any],
    *,
    engine: Engine,
    reader: Reader,
) -> Prepared:
    """Add earlier and coming broadcasts to the same followers, or where nobody can say."""
    if narrowing.is_known_to_wechat_alone:
        if reader is Reader.PERSON:
            return replace(prepared, known=checks.overlaps_without_list(engine, prepared.body))
        named = checks.notice_of_nobody(engine, prepared.body)
        return replace(prepared, notices=(*prepared.notices, *named))
    body, estimate = _of_those_left(prepared), prepared.estimate
    chunks = prepared.wanted.chunks() if estimate is None else narrowing.left()
    if reader is Reader.PERSON:
        return replace(prepared, known=checks.list_overlaps(engine, body, chunks))
    planned = prepared.figures.planned if estimate is None else estimate.counted
    named = checks.notices(engine, body, earlier, chunks=chunks, planned=planned)
    return replace(prepared, notices=(*prepared.notices, *named))


def _body(order: Order, wanted: StoredAudience) -> submission.Body:
    return submission.Body(
        account=order.account,
        key=checked_key(order.key),
        content=order.content.canonical,
        content_digest=order.content.digest,
        msgtype=order.content.msgtype,
        audience=wanted.audience,
        selection=order.selection,
        scheduled_at=order.scheduled_at,
        draft=order.draft,
        options=order.options,
        reserved=order.reserved,
    )
