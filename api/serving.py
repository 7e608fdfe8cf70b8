"""Serving, wired: parts in, an exit at the end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from api.app import application
from api.parts import Parts
from presentation.texts import Language
from serving.server import Server, collect_as_a_server_does

READY: Final = "api ready"
#: What an upload that is under way gets to end in.
END_WITHIN_S: Final = 30


class Ending:
    """Whether the server is about to end, for who streams for ever."""

    def __init__(self) -> None:
        """Begin with a server that is not there yet."""
        self._server: Server | None = None

    def __call__(self) -> bool:
        """Return whether it ends."""
        return self._server is not None and self._server.should_exit

    def watch(self, server: Server) -> None:
        """Ask this server."""
        self._server = server


def serve(
    parts: Parts, ending: Ending, *, language: Language, listener: socket.socket,
    close: Callable[[], None],
) -> None:  # fmt: skip
    """Serve until SIGTERM or SIGINT, then *close* what was opened for it."""
    collect_as_a_server_does()
    server = Server(application(parts, language=language), ready=READY, end_within_s=END_WITHIN_S)
    ending.watch(server)
    try:
        server.run(sockets=[listener])
    finally:
        parts.threads.close()
        close()
        parts.engine.dispose()
