"""The form of a task's message, checked before Celery acts on it.

Celery trusts whoever can write to the queue. A body that is no triple, or an id that is a list,
raises in the loop that reads the queue: the worker ends, the message goes back, and ends the next
one. A failure further on, in a thread of the pool, leaves the message unacknowledged forever.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any, Final

from broadcast.logs import request_ids

log = logging.getLogger(__name__)

#: Of a body, unpacked; 100,000 OpenIDs are 3.2 million.
MOST_BYTES: Final = 4_000_000
LONGEST: Final = 100
LONGEST_ID: Final = 255
_OPTIONAL_TEXTS: Final = (
    "lang", "root_id", "parent_id", "group", "shadow", "eta", "expires", "argsrepr", "kwargsrepr",
    "origin",
)  # fmt: skip
#: What else would be set as attributes of Celery's context, over its methods.
_KNOWN: Final = frozenset({
    "task", "id", "retries", "timelimit", "ignore_result", request_ids.HEADER, *_OPTIONAL_TEXTS,
})  # fmt: skip
#: What a message of the first protocol has in its body beside these.
_KNOWN_FIRST: Final = frozenset({"args", "kwargs", "utc"})
#: What a task may ask Celery to publish when it has ended; no task of ours does.
_CANVAS: Final = ("callbacks", "errbacks", "chain", "chord", "taskset")
_WORDS: Final = {"callbacks": "link", "errbacks": "link_error"}


class MalformedError(ValueError):
    """A message is no task's; the text names the part, never its value."""


class CanvasError(MalformedError):
    """A task's message asks Celery to publish something when it has ended."""

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Any],
        *,
        args: Sequence[object],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Take what it asks for, its fields, which are as they should be, and its arguments."""
        super().__init__(f"it asks for {name}")
        #: As it is called where it is sent.
        self.part = _WORDS.get(name, name)
        self.fields, self.args_, self.kwargs = fields, args, kwargs


def log_dropped(why: str) -> None:
    """Log in one line that a message was dropped; foreign text may be long."""
    log.error("message dropped: %s", why.encode("unicode_escape").decode()[:LONGEST])


def is_of(message: Any, queue: str) -> bool:  # noqa: ANN401 - kombu's
    """Return whether *message* came from *queue*, as far as it says."""
    where = message.delivery_info
    return isinstance(where, dict) and queue in {where.get("routing_key"), where.get("exchange")}


def text_of(message: Any) -> str:  # noqa: ANN401 - kombu's
    """Return the body of *message* as it can be kept, whatever it is."""
    body = message.body
    data = body.encode("utf-8", "backslashreplace") if isinstance(body, str) else body
    return data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else repr(data)


def check(message: Any) -> str:  # noqa: ANN401 - kombu's
    """Return the task of *message*, of either protocol, and drop unknown headers.

    Raises MalformedError unless it is a task's, and what decoding raises. Whether the task exists
    is not looked at.
    """
    headers = message.headers
    if not isinstance(headers, dict):
        raise MalformedError("its headers are no mapping")
    if not isinstance(message.body, bytes | str):
        raise MalformedError(f"its body is {_kind(message.body)}")
    check_length(message.body)
    payload = message.decode()
    if isinstance(payload, dict):
        return _check_first_protocol(headers, payload)
    if "task" not in headers:
        raise MalformedError("it names no task")
    _check_fields(headers)
    if not isinstance(payload, list | tuple) or len(payload) != 3:  # noqa: PLR2004 - see the text
        raise MalformedError("its body is no triple of args, kwargs and embed")
    args, kwargs, embed = payload
    _check_arguments(args, kwargs)
    if embed is not None and not isinstance(embed, dict):
        raise MalformedError(f"embed is {_kind(embed)}")
    _check_canvas(embed or {}, headers, args=args, kwargs=kwargs)
    _keep(headers, _KNOWN)
    return str(headers["task"])


def check_length(body: bytes | str) -> None:
    """Raise MalformedError where *body* is longer than any that is taken."""
    if len(body) > MOST_BYTES:
        raise MalformedError(f"its body is longer than {MOST_BYTES} bytes")


def check_envelope(message: Any) -> None:  # noqa: ANN401 - kombu's
    """Raise MalformedError where kombu's Redis transport could not note *message* as taken."""
    tag = message.delivery_tag
    if not isinstance(tag, str) or not _is_short(tag):
        raise MalformedError("its delivery_tag is no short text")
    where = message.properties.get("delivery_info")
    names = ("exchange", "routing_key")
    if not isinstance(where, dict) or not all(isinstance(where.get(name), str) for name in names):
        raise MalformedError("its delivery_info lacks exchange or routing_key")


def _check_first_protocol(headers: dict[str, Any], payload: dict[str, Any]) -> str:
    if "task" in headers:
        raise MalformedError("its body is dict")
    if "task" not in payload:
        raise MalformedError("it names no task")
    _check_fields(payload)
    _check_arguments(payload.get("args", []), payload.get("kwargs", {}))
    args, kwargs = payload.get("args", []), payload.get("kwargs", {})
    _check_canvas(payload, payload, args=args, kwargs=kwargs)
    _keep(payload, _KNOWN | _KNOWN_FIRST)
    _keep(headers, ())
    return str(payload["task"])


def _check_fields(fields: Mapping[str, Any]) -> None:
    for name in ("task", "id"):
        value = fields.get(name)
        if not isinstance(value, str):
            raise MalformedError(f"{name} is {_kind(value)}, not str")
    for name in _OPTIONAL_TEXTS:
        value = fields.get(name)
        if value is not None and not isinstance(value, str):
            raise MalformedError(f"{name} is {_kind(value)}, not str")
    for name in ("task", "id", "shadow", "eta", "expires"):
        # Celery logs the first three with each message.
        if (value := fields.get(name)) is not None and not _is_short(value):
            raise MalformedError(f"{name} is empty, too long or not printable")
    limits = fields.get("timelimit")
    if limits is not None and not _is_pair_of_limits(limits):
        raise MalformedError("timelimit is no pair of numbers")
    retries = fields.get("retries")
    if retries is not None and not isinstance(retries, int):
        raise MalformedError(f"retries is {_kind(retries)}, not int")


def _check_arguments(args: object, kwargs: object) -> None:
    if not isinstance(args, list | tuple):
        raise MalformedError(f"args is {_kind(args)}")
    if not isinstance(kwargs, dict):
        raise MalformedError(f"kwargs is {_kind(kwargs)}")


def _check_canvas(
    embed: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    args: Sequence[object],
    kwargs: Mapping[str, Any],
) -> None:
    for name in _CANVAS:
        if embed.get(name):
            raise CanvasError(name, fields, args=args, kwargs=kwargs)


def _keep(fields: MutableMapping[str, Any], known: Collection[str]) -> None:
    for name in [name for name in fields if name not in known]:
        del fields[name]


def _is_short(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and text.isprintable()


def _is_pair_of_limits(limits: object) -> bool:
    return (
        isinstance(limits, list | tuple)
        and len(limits) == 2  # noqa: PLR2004 - hard and soft
        and all(limit is None or isinstance(limit, int | float) for limit in limits)
    )


def _kind(value: object) -> str:
    return type(value).__name__
