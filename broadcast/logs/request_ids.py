"""The id of the request that this code works for, so that log, history and answer can be joined."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

#: None: nobody's request, such as a command or a beat.
current: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
#: The request whose wake-up began a worker's task. Of its log lines alone: a lane that was woken
#: for one broadcast drives them all, and history must not say that it was for this request.
woken_by: Final[ContextVar[str | None]] = ContextVar("woken_by", default=None)

#: In a task's message.
HEADER: Final = "request_id"
LONGEST: Final = 255


def headers() -> dict[str, str]:
    """Return a wake-up's headers about the request that it comes from."""
    request_id = current.get() or woken_by.get()
    return {} if request_id is None else {HEADER: request_id}


def shown(found: object) -> str | None:
    """Return a request's id where *found* is one that a log can show."""
    fits = isinstance(found, str) and 0 < len(found) <= LONGEST and found.isprintable()
    return str(found) if fits else None
