"""Binding an address before its URL is printed."""

from __future__ import annotations

import os
import socket
from typing import Final

from broadcast.errors import OutOfReachError

#: Where WeChat's pushes are taken, alone and beside the other parts.
CALLBACK_PORT: Final = 8770
#: Where other programs ask.
API_PORT: Final = 8780


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Bind the address; *shared*: with other processes of this user that share it, too.

    Raises OutOfReachError where it is taken or not this machine's, or where none can be shared.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, reuse_port=shared)
    except (OSError, ValueError) as error:
        reason = _reason(error)
    raise OutOfReachError("error.embedded.listen", address=f"{host}:{port}", reason=reason)


def _reason(error: Exception) -> str:
    """Return the system's own words: those of Python name the address once more."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    # A host that no name server can be asked for is a UnicodeError, whose text is long.
    unnamed = type(error).__name__ if isinstance(error, UnicodeError) else str(error)
    return getattr(error, "strerror", None) or unnamed
