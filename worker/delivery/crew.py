"""Threads beside those of the tasks that do what is due, until none is left.

What hangs keeps a thread for as long as it hangs. Were it one of the pool's, a few such would keep
every lane of this worker from its calls; with threads of our own they keep each other waiting, and
of one origin one thing is under way at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar

from broadcast.errors import OutOfReachError

log = logging.getLogger(__name__)

#: Threads of one crew in a worker process.
AT_ONCE: Final = 8
#: Beside the longest try: for the database, before another worker takes the event.
_SPARE: Final = timedelta(seconds=10)


class Reserved(Protocol):
    """What is reserved for this worker."""

    @property
    def origin(self) -> str:
        """What it keeps waiting: a receiver, say."""


T = TypeVar("T", bound=Reserved)


class Crew(ABC, Generic[T]):
    """Does what is due until none is left, in up to ``at_once`` threads."""

    #: What it does, as the log says it.
    what: str
    at_once = AT_ONCE

    def __init__(self, *, stopping: threading.Event) -> None:
        """*stopping*: set once this process is asked to stop."""
        self._stopping = stopping
        self._guard = threading.Lock()
        self._taking = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._busy: set[str] = set()
        #: What all need is out of reach: nothing more is begun before the next start.
        self._is_away = False

    @abstractmethod
    def _reserve(self, busy: Collection[str]) -> T | None:
        """Reserve what is due the longest, but of origins in *busy*; None: there is none."""

    @abstractmethod
    def _do(self, taken: T) -> None:
        """Try it once, and record what came of it."""

    def start(self) -> int:
        """Start a thread for what is due, unless enough run; return how many do."""
        self._is_away = False
        return self._start()

    def _start(self) -> int:
        with self._guard:
            if len(self._threads) < self.at_once and self._goes_on():
                # A daemon: who asks this process to end does not wait for a receiver.
                thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    log.error("what is due waits, %s later: %s", self.what, error)  # noqa: TRY400 - its words say all
                else:
                    # It ends by taking itself out, and waits with that until here.
                    self._threads.add(thread)
            return len(self._threads)

    def _goes_on(self) -> bool:
        return not self._is_away and not self._stopping.is_set()

    def join(self, timeout_s: float) -> None:
        """Wait for what is under way, for so long in all."""
        end = time.monotonic() + timeout_s
        with self._guard:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        try:
            while self._goes_on() and self._one():
                pass
        except OutOfReachError as error:
            self._is_away = True
            log.warning("what is due waits, %s later: %s", self.what, error)
        except Exception:
            log.exception("what is due waits, %s later", self.what)
        finally:
            with self._guard:
                self._threads.discard(threading.current_thread())

    def _one(self) -> bool:
        """Do one; return whether there was one."""
        # One after the other, so that no two threads take what is of one origin.
        with self._taking:
            with self._guard:
                busy = set(self._busy)
            taken = self._reserve(busy)
            if taken is None:
                return False
            with self._guard:
                self._busy.add(taken.origin)
        try:
            # There may be more, of others.
            self._start()
            self._do(taken)
        finally:
            with self._guard:
                self._busy.discard(taken.origin)
        return True


def put_off(longest_s: float) -> timedelta:
    """Return for how long what is tried is due no more; *longest_s*: the most a try may last."""
    return timedelta(seconds=longest_s) + _SPARE
