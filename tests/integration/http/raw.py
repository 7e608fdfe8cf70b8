"""Requests to a running API byte by byte, as no library of HTTP would send them."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

from tests.integration.http.conftest import Served
from tests.kit import api


def connected(served: Served) -> socket.socket:
    """A connection to it."""
    parts = urlsplit(served.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60)


def told(served: Served, data: bytes) -> bytes:
    """Send *data* and return everything that comes back until the connection ends."""
    with connected(served) as connection:
        # It may be cut off while we are still talking.
        with contextlib.suppress(OSError):
            connection.sendall(data)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the connection ends, or is cut."""
    found = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65_536):
            found += piece
    return found


def head(method: str, target: str, *lines: str, version: str = "1.1") -> bytes:
    """The head of a request with the key of every scope, which ends the connection."""
    first = (
        f"{method} {target} HTTP/{version}",
        "Host: a",
        f"Authorization: Bearer {api.KEY}",
        *lines,
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(first).encode("latin-1")
