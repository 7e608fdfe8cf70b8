"""Wakes that seem too old, judged by two clocks: one of a kind is taken now and then all the same.

Beat writes down by its own clock when a wake-up is too old, and the worker reads it by its own. To
a worker whose clock is over an hour ahead every wake of beat is too old, and nothing that was left
behind would ever go on. A night's worth of old wakes must still not end in a flood. Both hold when
one of a kind is taken every two seconds, since beat wakes less often than that.

What another program sends is no wake: its task sees for itself whether it expired, and nothing is
dropped (:mod:`worker.enqueue`).
"""

from __future__ import annotations

import threading
import time
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, Literal

from celery.exceptions import InvalidTaskError
from celery.utils.time import maybe_iso8601, maybe_make_aware
from celery.worker import request

from broadcast import names
from worker import envelope
from worker.queue_watch import watch

#: Less than the shortest period of beat, or its wakes would be dropped.
ONE_WITHIN_S = 2.0
_taking = threading.Lock()
#: By task and arguments: when the last one was taken that seemed too old, by `time.monotonic`.
_taken: dict[str, float] = {}


class Request(request.Request):
    """Celery's message of a task, which is not at once revoked where it seems too old."""

    _spared = False

    def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's
        """Take the message; raise InvalidTaskError, on which it is dropped, if it is unfit."""
        try:
            super().__init__(message, *args, **kwargs)
        except Exception as error:
            raise InvalidTaskError(type(error).__name__) from error
        # Celery reports with a traceback where it cannot convert such a time.
        if self.eta is not None and not MINYEAR < self.eta.year < MAXYEAR:
            raise InvalidTaskError("eta")
        # Now, and not when it runs: the queue may be empty meanwhile because this was taken.
        said: dict[str, Any] = self._request_dict  # type: ignore[attr-defined] # not in its stubs
        again = said["delivery_info"]["redelivered"]
        is_of_it = envelope.is_of(message, names.ENQUEUE)
        said["sent_after"] = watch.empty_at if is_of_it and not again else None

    def maybe_expire(self) -> Literal[True] | None:
        """Revoke the message if it seems too old and another one like it was just taken."""
        # Celery asks twice: when the message comes, and before it runs.
        expires: datetime | None = self.expires
        if self._spared or expires is None or self.task.name == names.ENQUEUE:
            return None
        if datetime.now(UTC) <= expires:
            return None
        self._spared = _take(f"{self.name} {self.argsrepr} {self.kwargsrepr}")
        return None if self._spared else super().maybe_expire()


def moment_of(text: object) -> datetime | None:
    """Return the time that a message's header says, read as Celery read it when it came."""
    moment = maybe_iso8601(text) if isinstance(text, str) else None
    return None if moment is None else maybe_make_aware(moment)


def _take(kind: str) -> bool:
    now = time.monotonic()
    with _taking:
        for old in [each for each, at in _taken.items() if now - at >= ONE_WITHIN_S]:
            del _taken[old]
        if kind in _taken:
            return False
        _taken[kind] = now
        return True
