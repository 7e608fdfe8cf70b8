"""The id of the request that this code works for, so that log, history and answer can be joined."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

#: None: nobody's request, such as a command or a beat.
current: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
