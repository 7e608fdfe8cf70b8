"""The keys that are good now: of the settings, of a file and of the database.

File and database are read again while the API runs, so a key is made, replaced and revoked without
a restart.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from broadcast.errors import SettingsError
from broadcast.rules import api_keys
from broadcast.rules.api_keys import APIKey
from broadcast.settings.program_settings import Settings
from entrypoints.http import problems
from entrypoints.http.threads import Pool

log = logging.getLogger(__name__)

#: How long a key that was revoked may still be good.
FRESH_S: Final = 1.0
#: How often strangers may have the keys read, and how many of them wait for it at once.
_REST_S: Final = 0.1
MOST_UNKNOWN: Final = 20
VARIABLE: Final = "BROADCAST_API_KEYS"
_IN_FILE: Final = f"{VARIABLE}_FILE"
_MOST_BYTES: Final = 1_000_000


class KeyRing:
    """Finds the key that a request came with."""

    def __init__(
        self, settings: Settings, stored: Callable[[], Sequence[APIKey]], *, threads: Pool
    ) -> None:
        """Read the settings' keys. *stored* reads the database's. Raises SettingsError."""
        given = settings.api_keys
        self._fixed = [] if given is None else api_keys.parse(
            given.get_secret_value(), where=VARIABLE
        )  # fmt: skip
        self._file = settings.api_keys_file
        self._of_file = [] if self._file is None else _parsed(_text(self._file, may_be_empty=True))
        self._stored = stored
        self._known = Shared(functools.partial(threads.run, self.read), rest_s=_REST_S)
        self._unknown = 0

    async def find(self, token: str) -> APIKey | None:
        """Return the key that *token* is, also if it was made a moment ago.

        Raises DatabaseAwayError; ProblemError where too many come with keys that nobody knows.
        """
        came = time.monotonic()
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
        known = await self._known.since(time.monotonic() - FRESH_S)
        return next((one for one in known if one.digest == key.digest), None)

    def read(self) -> Sequence[APIKey]:
        """Return every good key as it is now. Raises DatabaseAwayError."""
        return [*self._fixed, *self._file_again(), *self._stored()]

    def _file_again(self) -> Sequence[APIKey]:
        if self._file is not None:
            try:
                self._of_file = _parsed(_text(self._file, may_be_empty=not self._of_file))
            except SettingsError as error:
                # Half written, perhaps: those of before stay good, or one slip locks everybody out.
                log.warning("the keys of before stay good: %s", error)
        return self._of_file


def _text(path: Path, *, may_be_empty: bool) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        problem = SettingsError("error.api_keys.file", name=_IN_FILE, path=path, reason=reason)
    else:
        if len(data) > _MOST_BYTES:
            raise SettingsError("error.api_keys.file", name=_IN_FILE, path=path, reason="> 1 MB")
        if text.strip() or may_be_empty:
            return text
        # Whoever writes a file anew empties it first.
        problem = SettingsError("error.api_keys.emptied", name=_IN_FILE, path=path)
    raise problem


def _parsed(text: str) -> list[APIKey]:
    return api_keys.parse(text, where=_IN_FILE)


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
        await asyncio.sleep(self._begun + self._rest_s - time.monotonic())
        self._begun = begun = time.monotonic()
        self._found = begun, await self._look()
