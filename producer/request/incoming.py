"""A message of another program: the body of a request, and its key beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from broadcast.errors import InputError, RequestError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.openid import is_openid
from broadcast.rules import content as contents
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.rules.plan.cut import SMALLEST
from broadcast.rules.webhooks import form_problem
from broadcast.settings.program_settings import Settings
from producer.request import shape
from producer.request.meaning import (
    checked_late_by,
    checked_size_of,
    content_of,
    exclusions_of,
    read_list,
    refuse_wrong_audience,
)
from producer.request.shape import ListToCome, OpenIDList, Request, ToAll
from producer.submit.order import checked_key, checked_title, parse_at, refuse_what_is_not_ahead

KEY = "key"


@frozen
class KeyedRequest:
    """A message that was understood."""

    key: str
    request: Request

    def confirmed(self, ids: Sequence[str]) -> KeyedRequest:
        """Return it with what a person confirmed since."""
        confirm = [*self.request.confirm, *ids]
        return replace(self, request=self.request.model_copy(update={"confirm": confirm}))


def as_text(body: object) -> str:
    """Return the arguments of a task as they are kept where they cannot be used: JSON."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, default=str)


def parse_text(text: str) -> KeyedRequest:
    """Return the message that was kept as *text*. Raises RequestError."""
    return parse(value_of(text))


def value_of(text: str) -> object:
    """Return the value kept as *text*; None where it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse(value: object) -> KeyedRequest:
    """Return a message from the arguments of its task. Raises RequestError.

    It needs a key of its own: the broker may deliver it twice.
    """
    if not isinstance(value, Mapping):
        raise RequestError("error.request.no_object", field="")
    if "args" in value:
        raise RequestError("error.request.positional", field="args")
    members: dict[str, Any] = dict(value)
    if KEY not in members:
        raise RequestError("error.request.missing", field=KEY)
    key = members.pop(KEY)
    if not isinstance(key, str) or not key.strip():
        reason = Message("request.reason.empty" if isinstance(key, str) else "request.reason.text")
        raise RequestError("error.request.wrong", field=KEY, reason=reason)
    return KeyedRequest(key=key, request=shape.parse(members))


def refuse_to_all(found: KeyedRequest, settings: Settings) -> None:
    """Raise InputError for a message to every follower where the operator does not allow such."""
    if isinstance(found.request.audience, ToAll) and not settings.enqueue_to_all:
        raise InputError("error.dead.to_all", field="audience.to_all")


def parse_letter(source: LetterSource, text: str, settings: Settings) -> KeyedRequest:
    """Return the message of a dead letter that is to be submitted again. Raises InputError.

    One that came by the queue may still go to everybody only where the queue may.
    """
    found = parse_text(text)
    if source is LetterSource.CELERY:
        refuse_to_all(found, settings)
    return found


def letter(source: LetterSource, reason: Message, *, text: str, value: object) -> Letter:
    """Return the dead letter of a message that is kept as *text* and was read as *value*.

    *value*: None where nothing could be read.
    """
    return Letter(
        source=source,
        body=text,
        reason=reason,
        key=named(value, KEY),
        account=named(value, "account"),
    )


def named(value: object, name: str) -> str | None:
    """Return a text member of a message that may be anything: for lists of dead letters."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


def refuse_what_is_wrong(request: Request, *, key: str) -> None:
    """Raise RequestError, ContentError, AudienceError or InputError where no worker could take it.

    A time must be ahead by the clock of this machine.
    """
    checked_key(key)
    content_of(request, limit=contents.MOST_BYTES)
    exclusions_of(request)
    _refuse_options(request)
    _refuse_audience(request)


def _refuse_options(request: Request) -> None:
    if request.at is not None:
        machine_now = datetime.now(UTC)
        refuse_what_is_not_ahead(parse_at(request.at), now=machine_now, machine_now=machine_now)
    if request.title is not None:
        checked_title(request.title)
    if request.late_by is not None:
        checked_late_by(request.late_by)
    if request.sample is not None:
        checked_size_of(request.sample)
    problem = None if request.notify is None else form_problem(request.notify.url)
    if problem is not None:
        raise RequestError("error.request.notify", field="notify.url", reason=problem)


def _refuse_audience(request: Request) -> None:
    refuse_wrong_audience(request, request.account)
    match request.audience:
        case ListToCome():
            raise RequestError("error.request.upload", field="audience.upload")
        case OpenIDList() as audience if len(set(filter(_is_plain, audience.openids))) < SMALLEST:
            # Whoever reads lists has the last word; for most there is no need to load it.
            read_list(audience).close()


def _is_plain(text: str) -> bool:
    return text.isascii() and is_openid(text.encode())
