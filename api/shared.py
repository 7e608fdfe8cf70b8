"""One look for everybody who asks: however many do, it is done once at a time, and then rests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """What a look found that is done beside the event loop; for one event loop."""

    def __init__(self, look: Callable[[], Awaitable[T]], *, rest_s: float) -> None:
        """Begin no look within *rest_s* seconds of the one before."""
        self._look, self._rest_s = look, rest_s
        self._begun = float("-inf")
        #: What was found, and when that look began.
        self._found: tuple[float, T] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def since(self, moment: float) -> T:
        """Return what a look found that began at *moment* or later, by the monotonic clock.

        Raises what the look raises.
        """
        while self._found is None or self._found[0] < moment:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._again())
            # Whoever goes away takes it from nobody else.
            await asyncio.shield(self._looking)
        return self._found[1]

    async def _again(self) -> None:
        await asyncio.sleep(self._begun + self._rest_s - time.monotonic())
        self._begun = begun = time.monotonic()
        self._found = begun, await self._look()
