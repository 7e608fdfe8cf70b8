"""Storing from the event loop: pushes that come together share a commit."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from sqlalchemy import Engine

from broadcast.errors import BrokerAwayError, DatabaseAwayError, OutOfReachError
from broadcast.rules.pushes import Push
from models.ledger.boxes import opt_out_pushes, pushes

#: WeChat hangs up after five, and comes again.
WITHIN_S = 4.0
#: Pushes of one commit, which may take 100 ms.
MOST = 50
THREADS = 4
#: SQLite has one writer: more threads would only wait for it.
THREADS_OF_SQLITE = 1
#: Anybody can send what is refused: the history gets one line of an account in so long.
REFUSALS_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    push: Push
    stored: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def end(self, problem: Exception | None) -> None:
        """End the wait; called in the event loop."""
        # Whoever waited too long has gone.
        if self.stored.done():
            return
        if problem is None:
            self.stored.set_result(None)
        else:
            self.stored.set_exception(problem)


class PushQueue:
    """Stores pushes in a few threads."""

    def __init__(self, engine: Engine, *, within_s: float = WITHIN_S) -> None:
        """*within_s*: the most that one push may take."""
        self._engine = engine
        self._within_s = within_s
        self._refused_at: dict[str, float] = {}
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        many = THREADS_OF_SQLITE if engine.dialect.name == "sqlite" else THREADS
        self._threads = [
            # Daemons: a database that does not answer must not hold up the end of the process.
            threading.Thread(target=self._work, name=f"store-{n}", daemon=True)
            for n in range(many)
        ]
        for thread in self._threads:
            thread.start()

    async def store(self, push: Push) -> None:
        """Store a push that is new. Raises OutOfReachError; it may be stored even then.

        What comes too late is no loss: WeChat repeats the push, and it is known then.
        """
        stored = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(push, stored))
        try:
            await asyncio.wait_for(stored, self._within_s)
        except TimeoutError:
            raise DatabaseAwayError(
                "error.database.away", cause=f"no commit within {self._within_s:g} s", where=""
            ) from None

    def note_refused(self, account: str) -> None:
        """Write into the history, soon, that a request was signed with another token."""
        moment = monotonic()
        if moment - self._refused_at.get(account, -REFUSALS_EVERY_S) >= REFUSALS_EVERY_S:
            self._refused_at[account] = moment
            threading.Thread(target=self._note_refused, args=(account,), daemon=True).start()

    def _note_refused(self, account: str) -> None:
        try:
            pushes.note_refused(self._engine, account)
        except OutOfReachError as error:
            log.warning("account %s: a refusal is not in the history: %s", account, error)

    def close(self) -> None:
        """Store the waiting pushes and end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(self._within_s)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting = [first, *self._more()]
            problem = self._stored([one.push for one in waiting if not one.stored.done()])
            for one in waiting:
                # The loop may have ended.
                with suppress(RuntimeError):
                    one.loop.call_soon_threadsafe(one.end, problem)

    def _more(self) -> list[_Waiting]:
        """Return the other waiting pushes, but for the sign to end, which is put back."""
        found: list[_Waiting] = []
        with suppress(queue.Empty):
            while len(found) < MOST - 1:
                one = self._queue.get_nowait()
                if one is None:
                    self._queue.put(None)
                    break
                found.append(one)
        return found

    def _stored(self, some: Sequence[Push]) -> Exception | None:
        try:
            opt_out_pushes.store(self._engine, some)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who waits
            return error
        return None


log = logging.getLogger(__name__)

#: Of a thousand pushes in a second a worker needs one wake.
PAUSE_S = 0.2
#: While the broker is away.
LONG_PAUSE_S = 5.0


class WakerThread:
    """A thread that wakes a worker soon after it was asked to, however often that was."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """*wake* wakes a worker; it may raise BrokerAwayError."""
        self._wake = wake
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._owes = False
        # A daemon: a broker that does not answer must not hold up the end of the process.
        self._thread = threading.Thread(target=self._work, name="waker", daemon=True)
        self._thread.start()

    def wake_soon(self) -> None:
        """Ask the thread to wake a worker."""
        self._asked.set()

    def close(self) -> None:
        """Wake once more where it was asked to since, and end."""
        self._owes = self._asked.is_set()
        self._stopped.set()
        self._asked.set()
        self._thread.join(LONG_PAUSE_S)

    def _work(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            self._asked.wait()
            if self._stopped.is_set():
                break
            self._asked.clear()
            pause = self._woken_then_pause()
        if self._owes:
            self._woken_then_pause()

    def _woken_then_pause(self) -> float:
        try:
            self._wake()
        except BrokerAwayError as error:
            log.warning("no worker woken; the sweep finds what is stored: %s", error)
            return LONG_PAUSE_S
        return PAUSE_S
