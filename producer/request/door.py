"""Submits of programs, however they come: a request becomes a broadcast, or nothing is stored."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO, Protocol

from sqlalchemy import Engine

from broadcast.errors import ConflictError, InputError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.dead_letters import KeptLetter, LetterState
from broadcast.rules.drafts import Marks
from broadcast.rules.plan import submission
from broadcast.rules.plan.audience import OpenIDs
from broadcast.settings.program_settings import Settings
from models.ledger.boxes import dead_letters
from models.ledger.rows.transaction import present
from models.ledger.submit import awaited_lists
from models.ledger.submit.awaited_lists import Awaited
from producer.audience import openid_list
from producer.request import incoming, shape
from producer.request.meaning import ParsedRequest, parsed_request, refuse_what_is_not_so
from producer.request.shape import Request
from producer.submit import checks
from producer.submit.confirmations import refuse_unconfirmed
from producer.submit.order import Order, Whom, refuse_what_is_not_ahead
from producer.submit.prepare import Prepared, QuotaSource, Reader, prepare, stored_as
from producer.submit.store import Submitted, Waker, check_fits, store


@frozen
class SubmitService:
    """Parts of a submit by a program."""

    settings: Settings
    engine: Engine
    quota: QuotaSource
    waker: Waker
    #: None: a process without WeChat; what it would say is found out before the first call.
    looks: WeChatChecks | None = None
    #: Whether whoever submits wants the report of what was stored.
    reported: bool = False
    #: Since when the request may have waited, by the database's clock; None: since now.
    waiting_since: datetime | None = None
    reader: Reader = Reader.PROGRAM

    def submit(self, request: Request, *, key: str, who: str) -> Submitted:
        """Store and publish what *request* asks for; the same key and body give the same broadcast.

        Raises what refuses it (InputError: nothing is stored; ConfirmationRequiredError: a list
        that may be another account's), and OutOfReachError: repeat it with the same key.
        """
        found = parsed_request(
            request, key=key, who=who, settings=self.settings, waiting_since=self.waiting_since
        )
        with found.whom() as whom:
            prepared = self.prepared(found, whom)
            refuse_unconfirmed(prepared.list_owner, request.confirm)
            return store(prepared, engine=self.engine, waker=self.waker, reported=self.reported)

    def reserve(self, request: Request, *, key: str, who: str) -> tuple[str, bool]:
        """Reserve an id for a request whose list comes later; return it, and whether it is new.

        Raises as :meth:`submit`.
        """
        found = parsed_request(request, key=key, who=who, settings=self.settings)
        order, text = found.order, request.model_dump_json(exclude_defaults=True)
        body = submission.Body(
            account=order.account,
            key=order.key,
            content=order.content.canonical,
            content_digest=order.content.digest,
            msgtype=order.content.msgtype,
            audience=OpenIDs(digest=""),
            selection=order.selection,
            scheduled_at=order.scheduled_at,
            options=order.options,
        )
        existing = awaited_lists.find(self.engine, body)
        if existing is not None:
            # Whatever changed since: a repeat is answered as the first one was.
            return existing, False
        self._refuse_past(order)
        self._today(found)()
        return awaited_lists.reserve(
            self.engine,
            body,
            request=text,
            who=who,
            title=order.terms.title,
            notify_url=order.terms.notify_url or order.account.notify_url,
        )

    def _refuse_past(self, order: Order) -> None:
        if order.scheduled_at is not None:
            moment = present(self.engine)
            refuse_what_is_not_ahead(order.scheduled_at, now=moment, machine_now=datetime.now(UTC))

    def submit_list(
        self, awaited: Awaited, file: BinaryIO, *, who: str, confirm: Sequence[str] = ()
    ) -> Submitted:
        """Store and publish the list that a broadcast waits for; the same list twice is no harm.

        Raises as :meth:`submit`; ConflictError where it has another list, BeingStoredError where
        somebody else stores one just now.
        """
        request = shape.parse(json.loads(awaited.request))
        found = parsed_request(request, key=awaited.key, who=who, settings=self.settings)
        found = replace(found, order=replace(found.order, reserved=awaited.broadcast_id))
        with openid_list.read(file) as listed:
            prepared = self.prepared(found, listed)
            refuse_unconfirmed(prepared.list_owner, [*request.confirm, *confirm])
            return store(prepared, engine=self.engine, waker=self.waker)

    def plan(self, request: Request, *, key: str, who: str) -> Prepared:
        """Check *request* against the ledger and WeChat, and store nothing.

        Raises as :meth:`submit`; a plan that does not fit is shown by its proof.
        """
        found = parsed_request(request, key=key, who=who, settings=self.settings)
        with found.whom() as whom:
            return self._looked_at(self._held_against(found, whom))

    def prepared(self, found: ParsedRequest, whom: Whom) -> Prepared:
        """Check an order as :meth:`submit` does, and store nothing. Raises as it does."""
        prepared = self._held_against(found, whom)
        # Before WeChat is asked more: its calls of a day are few.
        check_fits(prepared)
        return self._looked_at(prepared)

    def _held_against(self, found: ParsedRequest, whom: Whom) -> Prepared:
        is_person = self.reader is Reader.PERSON
        others = self.settings.accounts() if is_person else ()
        return prepare(
            found.order,
            whom,
            engine=self.engine,
            quota=self.quota,
            today=self._today(found),
            reader=self.reader,
            others=[one for one in others if one != found.order.account.name],
        )

    def _today(self, found: ParsedRequest) -> Callable[[], None]:
        return partial(refuse_what_is_not_so, found, settings=self.settings, engine=self.engine)

    def _looked_at(self, prepared: Prepared) -> Prepared:
        return prepared if self.looks is None else with_wechat_facts(prepared, self.looks)


class WeChatChecks(Protocol):
    """WeChat's facts of an account, asked for before a submit is stored."""

    def tags(self, account: Account) -> Sequence[checks.ListedTag] | None:
        """Return every tag, or None where WeChat gives no answer."""

    def draft(self, account: Account, media_id: str) -> Marks | None:
        """Return a draft's facts; None: there is none.

        Raises OutOfReachError where WeChat is away, and another BroadcastError where it would not.
        """


def with_wechat_facts(prepared: Prepared, looks: WeChatChecks) -> Prepared:
    """Return *prepared* with WeChat's facts of its tags and its draft.

    Raises InputError for a tag that does not exist, and for one that nobody has where it would go
    out at once. Of what is stored already nothing is asked, nor where WeChat did not say its quota.
    """
    if prepared.existing is not None or prepared.quota is None:
        return prepared
    return _with_draft(_with_tags(prepared, looks), looks)


def _with_tags(prepared: Prepared, looks: WeChatChecks) -> Prepared:
    body = prepared.body
    all_tags = looks.tags(body.account) if checks.named_tags(body) else None
    if all_tags is None:
        # The plan asks for the people, and waits for them.
        return prepared
    checks.listed_tags(body, all_tags)
    notices = checks.empty_tags(body, all_tags, refuse=body.scheduled_at is None)
    return replace(prepared, notices=(*prepared.notices, *notices))


def _with_draft(prepared: Prepared, looks: WeChatChecks) -> Prepared:
    """Add its draft's facts, and its title where it has none."""
    body, content = prepared.body, prepared.content
    found = checks.read_draft(content, functools.partial(looks.draft, body.account))
    notices = found.content.notices[len(content.notices) :]
    title = found.title if prepared.terms.title is None else prepared.terms.title
    return replace(
        prepared,
        content=found.content,
        body=replace(body, draft=found.draft),
        terms=replace(prepared.terms, title=title),
        notices=(*prepared.notices, *notices),
    )


def refuse_closed(one: KeptLetter) -> None:
    """Raise InputError for a letter that was sent or dropped."""
    match one.state:
        case LetterState.SENT:
            raise InputError("error.dead.is_sent", id=one.id, broadcast=one.broadcast_id)
        case LetterState.DROPPED:
            raise InputError("error.dead.is_dropped", id=one.id)


@contextlib.contextmanager
def trying_again(engine: Engine, one: KeptLetter) -> Iterator[None]:
    """Keep others from a letter that is submitted again.

    Raises InputError where it is closed or cut, or somebody else tries it.
    """
    refuse_closed(one)
    if one.is_cut:
        raise InputError("error.dead.cut", id=one.id)
    if not dead_letters.reserve_letter(engine, one.id):
        raise InputError("error.dead.is_tried", id=one.id)
    try:
        yield
    finally:
        dead_letters.release_letter(engine, one.id)


def drop_letter(engine: Engine, one: KeptLetter, *, who: str) -> None:
    """Put a letter aside. Raises InputError where it is closed, or somebody tries it."""
    refuse_closed(one)
    if not dead_letters.drop(engine, one.id, who=who):
        raise InputError("error.dead.is_tried", id=one.id)


def settle_letters(engine: Engine, settings: Settings, letter_ids: Iterable[str]) -> None:
    """Close those of the letters whose very body their key stands for; the others keep waiting.

    One whose key has another body has that as its reason then. Raises DatabaseAwayError.
    """
    for letter_id in letter_ids:
        _, body = dead_letters.letter_named(engine, letter_id)
        try:
            existing = _stored_as(engine, settings, body)
        except ConflictError as error:
            dead_letters.mark_refused_again(engine, letter_id, error.message)
        else:
            if existing is not None:
                dead_letters.mark_found_sent(engine, letter_id, existing)


def _stored_as(engine: Engine, settings: Settings, body: str) -> str | None:
    """Return the broadcast that a message is, if there is one. Raises ConflictError."""
    # What is wrong in itself, or of an account that is unknown here, was stored by nobody.
    try:
        found = incoming.parse_text(body)
        parsed = parsed_request(found.request, key=found.key, who="", settings=settings)
        with parsed.whom() as whom:
            return stored_as(parsed.order, whom, engine=engine)
    except ConflictError:
        raise
    except InputError:
        return None
