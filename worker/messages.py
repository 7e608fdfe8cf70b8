"""The form of a task's message, checked before Celery acts on it.

Celery trusts whoever can write to the queue. A body that is no triple, or an id that is a list,
raises in the loop that reads the queue: the worker ends, the message goes back, and ends the next
one. A failure further on, in a thread of the pool, leaves the message unacknowledged forever.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from typing import Any, Final

import celery
from celery.worker import consumer

from broadcast import names
from broadcast.errors import OutOfReachError
from broadcast.logs import request_ids
from broadcast.redaction import redact

log = logging.getLogger(__name__)

#: Of a body, unpacked; 100,000 OpenIDs are 3.2 million.
MOST_BYTES: Final = 4_000_000
LONGEST: Final = 100
LONGEST_ID: Final = 255
_OPTIONAL_TEXTS: Final = (
    "lang",
    "root_id",
    "parent_id",
    "group",
    "shadow",
    "eta",
    "expires",
    "argsrepr",
    "kwargsrepr",
    "origin",
)
#: What else would be set as attributes of Celery's context, over its methods.
_KNOWN: Final = frozenset(
    {
        "task",
        "id",
        "retries",
        "timelimit",
        "ignore_result",
        request_ids.HEADER,
        *_OPTIONAL_TEXTS,
    }
)
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
        """*name*: the member that asks for it; *fields* are as they should be."""
        super().__init__(f"it asks for {name}")
        #: As it is called where it is sent.
        self.part = _WORDS.get(name, name)
        self.fields, self.args_, self.kwargs = fields, args, kwargs


def log_dropped(why: str) -> None:
    """Log in one line that a message was dropped; foreign text may be long."""
    log.error("message dropped: %s", why.encode("unicode_escape").decode()[:LONGEST])


_SHOWN: Final = ("key", "account", "at", "title")
_LONGEST_OUTLINE: Final = 1000
#: An OpenID stands between other characters than its own; one of WeChat's, which begins with an
#: "o", may also be a part of a key.
_OPENID: Final = re.compile(
    r"(?<![\w-])[A-Za-z0-9_-]{28}(?![\w-])"
    r"|(?<![A-Za-z0-9])o(?=[a-z0-9_-]{0,26}[A-Z])[A-Za-z0-9_-]{27}(?![A-Za-z0-9])"
)


def without_openids(text: str) -> str:
    """Return *text* without what has the form of an OpenID."""
    return _OPENID.sub("(OpenID)", text)


def outline(body: Mapping[str, Any]) -> str:
    """Return what a monitor may show of a request: which it is, and how many it is for."""
    shown = {name: body[name] for name in _SHOWN if isinstance(body.get(name), str)}
    audience = body.get("audience")
    if isinstance(audience, dict):
        for name, value in audience.items():
            shown[f"audience.{name}"] = len(value) if isinstance(value, list) else "…"
    return without_openids(redact(repr(shown)))[:_LONGEST_OUTLINE]


def is_of(message: Any, queue: str) -> bool:
    """Return whether *message* came from *queue*, as far as it says."""
    where = message.delivery_info
    return isinstance(where, dict) and queue in {where.get("routing_key"), where.get("exchange")}


def text_of(message: Any) -> str:
    """Return the body of *message* as it can be kept, whatever it is."""
    body = message.body
    data = body.encode("utf-8", "backslashreplace") if isinstance(body, str) else body
    return data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else repr(data)


def check(message: Any) -> str:
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


def check_envelope(message: Any) -> None:
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


class PersonNeeded(Exception):  # noqa: N818 - nothing went wrong in the task
    """What a person must see, in one line: why the task is shown as failed."""

    def __repr__(self) -> str:
        """Return the line alone, as monitors show it."""
        return str(self)


class Task(celery.Task):  # type: ignore[type-arg] # generic in the stubs alone
    """A task that looks at its arguments before it runs."""

    abstract = True
    Request = "worker.celery_parts:Request"
    # Celery logs a line without a traceback, and acknowledges the message as that of any failure.
    throws = (PersonNeeded,)

    def on_failure(self, exc: Exception, *args: Any) -> None:
        """Leave the traceback out of what monitors get where a person is needed."""
        if isinstance(exc, PersonNeeded):
            args[-1].traceback = None

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run with arguments that fit; drop the message where they do not."""
        try:
            _fit(inspect.signature(self.run), *args, **kwargs)
        except TypeError as error:
            log_dropped(f"{self.name}: {error}")
            return None
        return self.run(*args, **kwargs)


#: No account and no id of a broadcast is as long.
_LONGEST_NAME = 255
#: What the tasks' annotations name, as which they are kept: see ``from __future__`` there.
_KINDS = {"str": str, "int": int, "bool": bool}


def _fit(signature: inspect.Signature, /, *args: object, **kwargs: object) -> None:
    """Raise TypeError, without any value, where arguments do not fit in number, name or kind."""
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = _KINDS.get(signature.parameters[name].annotation)
        if kind is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")
        if kind is str and not _is_name(str(value)):
            # It would reach the logs, and databases refuse some of it.
            raise TypeError(f"{name} is too long or not printable")


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and text.isprintable()


class Consumer(consumer.Consumer):
    """Celery's reader of messages, with one line for each that cannot be used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start without gossip, whatever the command line says.

        It reads the events of the other workers, and ends over one that is malformed. What it is
        for, elections and clocks, nobody asks of it.
        """
        options = kwargs.get("worker_options") or {}
        kwargs["worker_options"] = {**options, "without_gossip": True}
        super().__init__(*args, **kwargs)

    def connect(self) -> Any:
        """Connect, and look at the queue before anything of it is taken."""
        from worker import queue_watch

        connection = super().connect()
        queue_watch.watch.begin()
        return connection

    def update_strategies(self) -> None:
        """Keep our own tasks alone: Celery's run what a message names, or wake themselves."""
        super().update_strategies()
        strategies: dict[str, Any] = self.strategies  # type: ignore[attr-defined] # not in its stubs
        for name in [name for name in strategies if not name.startswith(names.PREFIX)]:
            del strategies[name]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the handler of each message of the queue: none but a task's reaches Celery."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                self._check(message)
            except Exception as error:  # noqa: BLE001 - whatever decoding raises: see its name
                self.on_decode_error(message, error)
            else:
                handle(message)

        return on_task_received

    def _check(self, message: Any) -> None:
        """Raise unless *message* is a task's; other programs have one task alone."""
        task = check(message)
        if task != names.ENQUEUE and self._is_another_programs(message):
            raise MalformedError(f"no task {task!r} for other programs")

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:
        """Drop the message of a task that this version does not have."""
        del body
        self._drop(message, f"no task {exc.args[0] if exc.args else None!r}")

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:
        """Drop a message of which Celery can make no request."""
        del body
        self._drop(message, f"not a task's message: {type(exc).__name__}")

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message that cannot be read."""
        known = isinstance(exc, MalformedError)
        why = str(exc) if known else f"it cannot be read: {type(exc).__name__}"
        self._drop(message, why, exc)

    def _drop(self, message: Any, why: str, error: Exception | None = None) -> None:
        if self._is_another_programs(message) and not self._stored_letter(message, why, error):
            return
        # Not requeued, or it would come back forever.
        log_dropped(why)
        message.reject_log_error(log, self.connection_errors)  # type: ignore[attr-defined]

    def _is_another_programs(self, message: Any) -> bool:
        """Return whether *message* came from the queue of other programs.

        RabbitMQ says by which consumer it was taken: an exchange of theirs may be bound to it.
        """
        consumer = self.task_consumer  # type: ignore[attr-defined]
        tag = consumer._active_tags.get(names.ENQUEUE)  # noqa: SLF001 - nowhere else
        where = message.delivery_info
        by = where.get("consumer_tag") if isinstance(where, dict) else None
        return by == tag if by and tag else is_of(message, names.ENQUEUE)

    def _stored_letter(self, message: Any, why: str, problem: Exception | None) -> bool:
        """Keep what another program sent; where the database is away, give it back in a while."""
        from worker import dead_letters, enqueue

        errors = self.connection_errors  # type: ignore[attr-defined]
        try:
            if not isinstance(problem, CanvasError) or not enqueue.refuse(problem):
                dead_letters.store_unread(text_of(message), why)
        except OutOfReachError as error:
            log.warning("a message of another program waits in the broker: %s", error)
        except Exception:
            # The reader of the queue must not end over it.
            log.exception("a message of another program cannot be kept and waits in the broker")
        else:
            return True
        dead_letters.try_later(lambda: message.reject_log_error(log, errors, requeue=True))
        return False
