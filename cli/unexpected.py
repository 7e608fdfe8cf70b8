"""An error that nobody expected, in words."""

from __future__ import annotations

import os
import traceback

from broadcast.message import Message

#: With it a person sees the traceback, too.
DEBUG = "BROADCAST_DEBUG"


def message(error: BaseException) -> Message:
    """Return what is said of a bug."""
    return Message("error.unexpected", kind=type(error).__name__, text=str(error), debug=DEBUG)


def trace(error: BaseException) -> str | None:
    """Return the traceback where it is asked for, and never its local variables."""
    if not os.environ.get(DEBUG):
        return None
    return "".join(traceback.format_exception(error)).rstrip()
