"""Threads that wait for the database, so that the event loop never does."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from sqlalchemy import Engine

P = ParamSpec("P")
T = TypeVar("T")

#: For what is done soon.
THREADS: Final = 8
#: SQLite has one writer: more threads would only wait for it.
THREADS_OF_SQLITE: Final = 3
#: For what takes its time: storing lists, reading through a broadcast, writing to files.
SLOW_THREADS: Final = 3
SLOW_THREADS_OF_SQLITE: Final = 2
#: Connections to the database of all that use one, with those for keys, readiness and metrics.
CONNECTIONS: Final = THREADS + 2 * SLOW_THREADS + 3


class Pool:
    """Threads of one kind of work, which waits for no other kind."""

    def __init__(self, most: int, name: str) -> None:
        """Start none yet, and *most* of them."""
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=f"api-{name}")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of *work*, with the context of the request."""
        context = contextvars.copy_context()
        call = partial(context.run, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Wait for running work."""
        self._pool.shutdown()


class Threads(Pool):
    """Threads for short work, and beside them some for work that takes its time."""

    def __init__(self, engine: Engine) -> None:
        """Start none yet."""
        one_writer = engine.dialect.name == "sqlite"
        super().__init__(THREADS_OF_SQLITE if one_writer else THREADS, "short")
        slow = SLOW_THREADS_OF_SQLITE if one_writer else SLOW_THREADS
        #: Store lists.
        self.lists = Pool(slow, "lists")
        #: Read through whole broadcasts.
        self.readers = Pool(slow, "readers")
        #: Write what is received to files.
        self.files = Pool(slow, "files")
        #: Look up keys.
        self.keys = Pool(1, "keys")
        #: Look whether everything is there.
        self.ready = Pool(1, "ready")
        #: Count for the metrics: alerts need them however much is read.
        self.metrics = Pool(1, "metrics")

    def close(self) -> None:
        """Wait for running work."""
        super().close()
        others = (self.lists, self.readers, self.files, self.keys, self.ready, self.metrics)
        for one in others:
            one.close()
