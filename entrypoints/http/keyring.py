"""The key of a request, and looks that many requests share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Final, Generic, TypeVar

from broadcast.rules import api_keys
from broadcast.rules.api_keys import APIKey
from broadcast.settings.good_keys import GoodKeys
from entrypoints.http import problems
from entrypoints.http.threads import Pool

#: How long a key that was revoked may still be good.
FRESH_S: Final = 1.0
#: How often strangers may have the keys read, and how many of them wait for it at once.
_REST_S: Final = 0.1
MOST_UNKNOWN: Final = 20


class KeyRing:
    """Finds the key that a request came with."""

    def __init__(self, good: GoodKeys, *, threads: Pool) -> None:
        """*threads* read the keys."""
        self.read = good.read
        self._known = Shared(partial(threads.run, self.read), rest_s=_REST_S)
        self._unknown = 0

    async def find(self, token: str) -> APIKey | None:
        """Return the key that *token* is, also if it was made a moment ago.

        Raises DatabaseAwayError; ProblemError where too many come with keys that nobody knows.
        """
        came = monotonic()
        found = api_keys.find(await self._known.since(came - FRESH_S), token)
        if found is not None:
            return found
        if self._unknown >= MOST_UNKNOWN:
            raise problems.busy()
        self._unknown += 1
        try:
            return api_keys.find(await self._known.since(came), token)
        finally:
            self._unknown -= 1

    async def as_now(self, key: APIKey) -> APIKey | None:
        """Return the rights of a key now; None: it is good no more. Raises DatabaseAwayError."""
        known = await self._known.since(monotonic() - FRESH_S)
        return next((one for one in known if one.digest == key.digest), None)


T = TypeVar("T")


class Shared(Generic[T]):
    """The result of a look beside the event loop, for all who wait; for one event loop."""

    def __init__(self, look: Callable[[], Awaitable[T]], *, rest_s: float) -> None:
        """Begin no look within *rest_s* seconds of the one before."""
        self._look, self._rest_s = look, rest_s
        self._begun = float("-inf")
        #: What was found, and when that look began.
        self._found: tuple[float, T] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def since(self, moment: float) -> T:
        """Return the result of a look that began at *moment* or later, by the monotonic clock.

        Raises what the look raises.
        """
        while self._found is None or self._found[0] < moment:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._refreshed())
            # Whoever goes away takes it from nobody else.
            await asyncio.shield(self._looking)
        return self._found[1]

    async def _refreshed(self) -> None:
        await asyncio.sleep(self._begun + self._rest_s - monotonic())
        self._begun = begun = monotonic()
        self._found = begun, await self._look()
