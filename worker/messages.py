"""Messages that this version does not understand: said in one line and dropped.

While machines are upgraded one after the other, two versions read one queue. A message only rings,
so dropping one loses nothing: the sweep rings again, in this version's words. Celery would print a
page for each, with the message's body in it.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

import celery
from celery.worker import consumer

log = logging.getLogger(__name__)

LONGEST = 100


class Task(celery.Task):  # type: ignore[type-arg] # generic in the stubs alone
    """A task that looks at its arguments before it runs."""

    abstract = True
    Request = "worker.late:Request"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Run with arguments that fit; drop the message where they do not."""
        try:
            _fit(inspect.signature(self.run), *args, **kwargs)
        except TypeError as error:
            log.error("message dropped: %s: %s", self.name, str(error)[:LONGEST])  # noqa: TRY400
            return None
        return self.run(*args, **kwargs)


#: What the tasks' annotations name, as which they are kept: see ``from __future__`` there.
_KINDS = {"str": str, "int": int, "bool": bool}


def _fit(signature: inspect.Signature, *args: object, **kwargs: object) -> None:
    """Raise TypeError, which tells no value, where arguments do not fit in number, name or kind."""
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = _KINDS.get(signature.parameters[name].annotation)
        if kind is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")


class Consumer(consumer.Consumer):
    """Celery's reader of messages, with one line for each that cannot be used."""

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Drop the message of a task that this version does not have."""
        del body
        self._drop(message, f"no task {exc.args[0] if exc.args else None!r}")

    def on_unknown_message(self, body: object, message: Any) -> None:  # noqa: ANN401
        """Drop a message that names no task."""
        del body
        self._drop(message, "it names no task")

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Drop a message whose form is not that of a task."""
        del body
        self._drop(message, f"not a task's message: {type(exc).__name__}")

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Drop a message that cannot be read."""
        self._drop(message, f"it cannot be read: {type(exc).__name__}")

    def _drop(self, message: Any, why: str) -> None:  # noqa: ANN401 - kombu's
        # Not requeued, or it would come again for ever. The words of strangers may be long.
        log.error("message dropped: %s", why.encode("unicode_escape").decode()[:LONGEST])
        message.reject_log_error(log, self.connection_errors)  # type: ignore[attr-defined]
