"""A message of another program: the body of a request, and its key beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from broadcast.dead_letters import Letter, LetterSource
from broadcast.errors import InputError, RequestError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.settings import Settings
from producer.request import shape
from producer.request.shape import Request, ToAll

KEY = "key"


@frozen
class KeyedRequest:
    """A message that was understood."""

    key: str
    request: Request


def as_text(body: object) -> str:
    """Return what a task was asked for as it is kept where it cannot be used: JSON."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, default=str)


def parse_text(text: str) -> KeyedRequest:
    """Return the message that was kept as *text*. Raises RequestError."""
    return parse(value_of(text))


def value_of(text: str) -> object:
    """Return what was kept as *text*; None where it is no JSON."""
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


def letter(source: LetterSource, reason: Message, *, text: str, value: object) -> Letter:
    """Return the dead letter of a message that is kept as *text* and was read as *value*.

    *value*: None where nothing could be read.
    """
    return Letter(
        source=source, body=text, reason=reason, key=named(value, KEY),
        account=named(value, "account"),
    )  # fmt: skip


def named(value: object, name: str) -> str | None:
    """Return a text member of a message that may be anything: for lists of dead letters."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None
