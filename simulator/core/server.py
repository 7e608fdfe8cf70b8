"""The HTTP server: uvicorn, with its connections in reach and a quick, clean end."""

from __future__ import annotations

import asyncio
import socket
import sys
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulator.core.replies import TRANSPORT

KEEP_ALIVE_S = 75
BACKLOG = 2048


class _Protocol(HttpToolsProtocol):
    """Puts the connection into the scope, so that a fault can close it without a reply."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio leaves Nagle's algorithm on for a socket whose protocol number is not given,
        # and head and body of a reply are two writes: that costs 40 ms a call.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = cast("dict[str, Any]", self.scope)
        scope[TRANSPORT] = self.transport


class Server(uvicorn.Server):
    """Server that prints when it is ready, and ends with status 0 on SIGTERM and SIGINT."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="error",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
            server_header=False,
            # WeChat's endpoints write their own: `core.replies`.
            date_header=False,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then print the ready line."""
        await super().startup(sockets)
        for listener in sockets or []:
            sys.stdout.write(f"simulator ready {_url(listener)}\n")
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Ask the main loop to end; the signal is not raised again afterwards."""
        self.should_exit = self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut every connection, also those in the middle of a slow reply."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def listening_socket(host: str, port: int) -> socket.socket:
    """Bind a TCP socket; port 0 takes a free one.

    Raises:
        OSError: the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def inherited_socket(descriptor: int) -> socket.socket:
    """Listen on a TCP socket that the parent process has bound, so that it knows the port.

    Raises:
        OSError: it is no socket.
    """
    listener = socket.socket(fileno=descriptor)
    listener.listen(BACKLOG)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
