"""Serving, wired: accounts, database and wake-up in, an exit at the end."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from callback.account import ServedAccount
from callback.app import application
from callback.bell import Bell
from callback.server import Server
from callback.storing import Store

#: Python's own.
_THRESHOLDS = (700, 10, 10)


def serve(
    accounts: Mapping[str, ServedAccount],
    *,
    engine: Engine,
    wake: Callable[[], None],
    listener: socket.socket,
) -> None:
    """Serve until SIGTERM or SIGINT. *wake* has a worker look; it may raise BrokerAwayError."""
    _collect_as_a_server_does()
    store, bell = Store(engine), Bell(wake)
    try:
        Server(application(accounts, store, bell)).run(sockets=[listener])
    finally:
        store.close()
        bell.close()
        engine.dispose()


def _collect_as_a_server_does() -> None:
    """Undo what is right for a command that ends soon: it hardly ever looks for garbage.

    What was refused is often a cycle of an error and its frames, which hold the whole body.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
