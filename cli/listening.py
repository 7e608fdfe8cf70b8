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


def bound(host: str, port: int) -> socket.socket:
    """Bind the address. Raises OutOfReachError where it is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = _reason(error)
    raise OutOfReachError("error.embedded.listen", address=f"{host}:{port}", reason=reason)


def _reason(error: Exception) -> str:
    """Return the system's own words: those of Python name the address once more."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    # A host that no name server can be asked for is a UnicodeError.
    return getattr(error, "strerror", None) or type(error).__name__
