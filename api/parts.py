"""What the API works with, built by whoever starts it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, ParamSpec, Protocol, TypeVar

from sqlalchemy import Engine

from api.keyring import KeyRing
from broadcast.accounts import Account
from broadcast.settings import Settings
from producer.looks import Looks
from producer.prepare import QuotaSource
from producer.steering import LaneWaker

P = ParamSpec("P")
T = TypeVar("T")

#: As many as the engine has connections.
THREADS: Final = 8
#: SQLite has one writer, and those that wait for it poll: of many some would starve.
THREADS_OF_SQLITE: Final = 3


class Outside(Protocol):
    """What only the way to WeChat and to the workers' own code can say."""

    def status_of_job(self, account: Account, msg_id: int) -> str | None:
        """Return how WeChat says that a job fares; None: it has none. Raises BroadcastError."""

    def heed_followers(self, account: str) -> None:
        """Handle what followers wrote before now, so that nobody who asked out is called again."""

    def missing(self) -> list[str]:
        """Return which parts are away of those that only delay: ``broker``, ``redis``."""


class Waker(LaneWaker, Protocol):
    """Calls a worker for what is stored, and for what is to be delivered."""

    def wake_for_webhooks(self) -> None:
        """Ask a worker to deliver webhooks. Raises BrokerAwayError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One API process's."""

    settings: Settings
    engine: Engine
    quota: QuotaSource
    waker: Waker
    looks: Looks
    outside: Outside
    keys: KeyRing
    threads: Threads
    #: Whether the process is about to end: whoever streams for ever must not.
    is_ending: Callable[[], bool]


class Threads:
    """Threads for what waits for the database; the event loop never does."""

    def __init__(self, engine: Engine) -> None:
        """Start none yet."""
        most = THREADS_OF_SQLITE if engine.dialect.name == "sqlite" else THREADS
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="api")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* returns, with the context of the request."""
        context = contextvars.copy_context()
        call = functools.partial(context.run, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown()
