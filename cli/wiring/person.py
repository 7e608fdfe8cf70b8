"""Who sits at this terminal, and why they do it, for the history."""

from __future__ import annotations

import getpass
import socket

from broadcast.redaction import redact
from broadcast.shown import one_line


def who() -> str:
    """Return ``cli:USER@HOST``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        user = "?"
    return f"cli:{user}@{socket.gethostname()}"[:128]


def in_one_line(why: str | None) -> str | None:
    """Return a person's words as they are kept: in one line, without secrets; None for no words."""
    return redact(one_line(why or "")) or None
