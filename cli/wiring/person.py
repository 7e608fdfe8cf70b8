"""Who sits at this terminal, for the history."""

from __future__ import annotations

import getpass
import socket


def who() -> str:
    """Return ``cli:USER@HOST``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        user = "?"
    return f"cli:{user}@{socket.gethostname()}"[:128]
