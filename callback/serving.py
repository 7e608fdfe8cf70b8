"""Serving, wired: accounts, database and wake-up in, an exit at the end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from callback.account import ServedAccount
from callback.app import application
from callback.storing import Store
from callback.waker import WakerThread
from serving.server import Server, collect_as_a_server_does

READY = "callback ready"
#: The longest answer waits for the database.
_END_WITHIN_S = 10


def serve(
    accounts: Mapping[str, ServedAccount],
    *,
    engine: Engine,
    wake: Callable[[], None],
    listener: socket.socket,
) -> None:
    """Serve until SIGTERM or SIGINT. *wake* has a worker look; it may raise BrokerAwayError."""
    collect_as_a_server_does()
    store, waker = Store(engine), WakerThread(wake)
    try:
        app = application(accounts, store, waker)
        Server(app, ready=READY, end_within_s=_END_WITHIN_S).run(sockets=[listener])
    finally:
        store.close()
        waker.close()
        engine.dispose()
