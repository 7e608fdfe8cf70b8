"""The HTTP server: uvicorn, which says when it is ready and ends cleanly on SIGTERM."""

from __future__ import annotations

import gc
import socket
import sys
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from entrypoints.serving.hostile_clients import Protocol, Waiting

_KEEP_ALIVE_S = 30
#: Half of them are left for whole requests.
_MOST_CONNECTIONS = 512
_MOST_WAITING = 256
#: Connections that are accepted before the others are looked at again. asyncio would accept all
#: that came, and the first of them would give way before its request, which is there, is read.
_ACCEPTED_AT_ONCE = 64
#: Those that wait to be accepted.
_BACKLOG = 2048
#: Python's own.
_THRESHOLDS = (700, 10, 10)


class Server(uvicorn.Server):
    """Serves on a socket that is bound already."""

    def __init__(self, app: ASGIApp, *, ready: str, end_within_s: int) -> None:
        """*ready* begins the ready line; *end_within_s*: the time that requests get to end in."""
        self._ready = ready
        protocol = type("_Protocol", (Protocol,), {"waiting": Waiting(_MOST_WAITING)})
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="error",
            # Who it was makes no difference, and a header can say anything.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            limit_concurrency=_MOST_CONNECTIONS,
            backlog=_ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=end_within_s,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then print the ready line."""
        await super().startup(sockets)
        for listener in sockets or []:
            # For asyncio both numbers are one.
            listener.listen(_BACKLOG)
            sys.stdout.write(f"{self._ready} {url_of(listener)}\n")
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End after the requests under way, at a second signal at once; none is raised again."""
        self.force_exit = self.should_exit
        self.should_exit = True


def url_of(listener: socket.socket) -> str:
    """Return the URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def collect_as_a_server_does() -> None:
    """Undo what is right for a command that ends soon: it hardly ever looks for garbage.

    What was refused is often a cycle of an error and its frames, which hold the whole body.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
