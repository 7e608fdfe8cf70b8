"""Places for lists that come in at once: who is slow keeps one only while nobody else needs it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

#: A pace is known after so many seconds, and then for each of as many.
MEASURED_OVER_S: Final = 60.0
#: Bytes a second on average, however few others come.
SLOWEST: Final = 1_000
#: Bytes a second below which a place is given to the next who needs one.
SLOW: Final = 10_000


class Place:
    """One list's; for an event loop."""

    def __init__(self, now: float, *, whose: str = "") -> None:
        """Begin at *now*, by the monotonic clock; *whose*: its key."""
        self._began, self.received, self.whose = now, 0, whose
        self._marked = now, 0
        #: Bytes a second, of the last whole measure.
        self.pace = math.inf
        #: Whether somebody else needed it.
        self.is_lost = False
        self._waiting: asyncio.Timeout | None = None

    def took(self, size: int, now: float) -> None:
        """Count what has come."""
        self.received += size
        at, before = self._marked
        if now - at >= MEASURED_OVER_S:
            self.pace = (self.received - before) / (now - at)
            self._marked = now, self.received

    def is_too_slow(self, now: float) -> bool:
        """Return whether it may go on no longer, whether others come or not."""
        return self.received < SLOWEST * (now - self._began - MEASURED_OVER_S)

    @contextlib.asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Wait inside for *seconds* at most. Raises TimeoutError, also where the place is lost."""
        if self.is_lost:
            raise TimeoutError
        async with asyncio.timeout(seconds) as waiting:
            self._waiting = waiting
            try:
                yield
            finally:
                self._waiting = None

    def lose(self) -> None:
        """Let whoever waits for more wait no longer."""
        self.is_lost = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def has_all(self) -> None:
        """Keep the place: its list is here."""
        self.pace = math.inf
        self._marked = math.inf, 0


class Places:
    """All of one process."""

    def __init__(self, most: int, *, most_of_one: int) -> None:
        """Have *most*, of which one key has *most_of_one*."""
        self._most, self._most_of_one = most, most_of_one
        self._taken: list[Place] = []

    @contextlib.contextmanager
    def one(self, whose: str) -> Iterator[Place | None]:
        """Give a place, that of the slowest where all of the key, or all, are taken.

        None: of those nobody is slow.
        """
        rivals = self._rivals(whose)
        if rivals:
            slowest = min(rivals, key=lambda place: place.pace)
            if slowest.pace >= SLOW:
                yield None
                return
            slowest.lose()
        mine = Place(time.monotonic(), whose=whose)
        self._taken.append(mine)
        try:
            yield mine
        finally:
            self._taken.remove(mine)

    def _rivals(self, whose: str) -> list[Place]:
        """Return whose place the next of this key needs; none: there are free ones."""
        taken = [place for place in self._taken if not place.is_lost]
        theirs = [place for place in taken if place.whose == whose]
        if len(theirs) >= self._most_of_one:
            return theirs
        return taken if len(taken) >= self._most else []
