"""The keys that are good now: of the settings, of a file and of the database.

File and database are read again while the API runs, so a key is made, replaced and revoked without
a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from broadcast import api_keys
from broadcast.api_keys import APIKey
from broadcast.errors import SettingsError
from broadcast.settings import Settings

log = logging.getLogger(__name__)

#: How long a key that was revoked may still be good.
FRESH_S: Final = 1.0
VARIABLE: Final = "BROADCAST_API_KEYS"
_MOST_BYTES: Final = 1_000_000


class KeyRing:
    """Finds the key that a request came with."""

    def __init__(self, settings: Settings, stored: Callable[[], Sequence[APIKey]]) -> None:
        """Read the settings' keys. *stored* reads the database's. Raises SettingsError."""
        given = settings.api_keys
        self._fixed = [] if given is None else api_keys.parse(
            given.get_secret_value(), where=VARIABLE
        )  # fmt: skip
        self._file = settings.api_keys_file
        self._of_file = [] if self._file is None else _read(self._file)
        self._stored = stored
        self._lock = threading.Lock()
        self._known: Sequence[APIKey] = ()
        self._read_at = -FRESH_S

    def find(self, token: str) -> APIKey | None:
        """Return the key that *token* is. Raises DatabaseAwayError."""
        return api_keys.find(self.known(), token)

    def find_at_once(self, token: str) -> tuple[APIKey | None, bool]:
        """Return the key, and whether that is certain without another look."""
        fresh = time.monotonic() - self._read_at < FRESH_S
        return (api_keys.find(self._known, token), True) if fresh else (None, False)

    def known(self) -> Sequence[APIKey]:
        """Return every good key, read within the last second. Raises DatabaseAwayError."""
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._known = [*self._fixed, *self._file_again(), *self._stored()]
                self._read_at = time.monotonic()
            return self._known

    def _file_again(self) -> Sequence[APIKey]:
        if self._file is not None:
            try:
                self._of_file = _read(self._file)
            except SettingsError as error:
                # Half written, perhaps: those of before stay good, or one slip locks everybody out.
                log.warning("the keys of before stay good: %s", error)
        return self._of_file


def _read(path: Path) -> list[APIKey]:
    where = f"{VARIABLE}_FILE"
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        problem = SettingsError("error.api_keys.file", name=where, path=path, reason=reason)
    else:
        if len(data) <= _MOST_BYTES:
            return api_keys.parse(text, where=where)
        problem = SettingsError("error.api_keys.file", name=where, path=path, reason="> 1 MB")
    raise problem
