"""Messages that cannot be used: reported in one line and dropped, or kept as dead letters.

While machines are upgraded one after the other, two versions read one queue. A message only wakes,
so dropping one loses nothing: the sweep wakes again, in this version's words. Celery would print a
page for each, with the message's body in it. In the queue of other programs a message says more
than "look": there it is kept.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import celery
from celery.worker import consumer

from broadcast import names
from broadcast.errors import OutOfReachError
from worker import envelope

log = logging.getLogger(__name__)


class Task(celery.Task):  # type: ignore[type-arg] # generic in the stubs alone
    """A task that looks at its arguments before it runs."""

    abstract = True
    Request = "worker.celery_parts:Request"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Run with arguments that fit; drop the message where they do not."""
        try:
            _fit(inspect.signature(self.run), *args, **kwargs)
        except TypeError as error:
            envelope.log_dropped(f"{self.name}: {error}")
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's own
        """Start without gossip, whatever the command line says.

        It reads the events of the other workers, and ends over one that is malformed. What it is
        for, elections and clocks, nobody asks of it.
        """
        options = kwargs.get("worker_options") or {}
        kwargs["worker_options"] = {**options, "without_gossip": True}
        super().__init__(*args, **kwargs)

    def connect(self) -> Any:  # noqa: ANN401 - kombu's
        """Connect, and look at the queue before anything of it is taken."""
        from worker import queue_watch  # noqa: PLC0415 - as below

        connection = super().connect()
        queue_watch.watch.begin()
        return connection

    def update_strategies(self) -> None:
        """Have no task but ours: Celery's own run what a message names, or wake themselves."""
        super().update_strategies()
        strategies: dict[str, Any] = self.strategies  # type: ignore[attr-defined] # not in its stubs
        for name in [name for name in strategies if not name.startswith(names.PREFIX)]:
            del strategies[name]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401
        """Return what takes each message of the queue: none but a task's reaches Celery."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:  # noqa: ANN401 - kombu's
            try:
                self._check(message)
            except Exception as error:  # noqa: BLE001 - whatever decoding raises: see its name
                self.on_decode_error(message, error)
            else:
                handle(message)

        return on_task_received

    def _check(self, message: Any) -> None:  # noqa: ANN401 - kombu's
        """Raise unless *message* is a task's; other programs have one task alone."""
        task = envelope.check(message)
        if task != names.ENQUEUE and self._is_another_programs(message):
            raise envelope.MalformedError(f"no task {task!r} for other programs")

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Drop the message of a task that this version does not have."""
        del body
        self._drop(message, f"no task {exc.args[0] if exc.args else None!r}")

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Drop a message of which Celery can make no request."""
        del body
        self._drop(message, f"not a task's message: {type(exc).__name__}")

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Drop a message that cannot be read."""
        known = isinstance(exc, envelope.MalformedError)
        why = str(exc) if known else f"it cannot be read: {type(exc).__name__}"
        self._drop(message, why, exc)

    def _drop(self, message: Any, why: str, error: Exception | None = None) -> None:  # noqa: ANN401 - kombu's
        if self._is_another_programs(message) and not self._buried(message, why, error):
            return
        # Not requeued, or it would come back forever.
        envelope.log_dropped(why)
        message.reject_log_error(log, self.connection_errors)  # type: ignore[attr-defined]

    def _is_another_programs(self, message: Any) -> bool:  # noqa: ANN401 - kombu's
        """Return whether *message* came from the queue of other programs.

        RabbitMQ says by which consumer it was taken: an exchange of theirs may be bound to it.
        """
        consumer = self.task_consumer  # type: ignore[attr-defined]
        tag = consumer._active_tags.get(names.ENQUEUE)  # noqa: SLF001 - nowhere else
        where = message.delivery_info
        by = where.get("consumer_tag") if isinstance(where, dict) else None
        return by == tag if by and tag else envelope.is_of(message, names.ENQUEUE)

    def _buried(self, message: Any, why: str, problem: Exception | None) -> bool:  # noqa: ANN401 - kombu's
        """Keep what another program sent; where the database is away, give it back in a while."""
        from worker import dead_letters, enqueue  # noqa: PLC0415 - the tasks' code: the consumer is first

        errors = self.connection_errors  # type: ignore[attr-defined]
        try:
            if not isinstance(problem, envelope.CanvasError) or not enqueue.refuse(problem):
                dead_letters.bury_unread(envelope.text_of(message), why)
        except OutOfReachError as error:
            log.warning("a message of another program waits in the broker: %s", error)
        except Exception:
            # The reader of the queue must not end over it.
            log.exception("a message of another program cannot be kept and waits in the broker")
        else:
            return True
        dead_letters.try_later(lambda: message.reject_log_error(log, errors, requeue=True))
        return False
