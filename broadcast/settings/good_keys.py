"""The keys that are good now: of the settings, of a file and of the database.

File and database are read again while a server runs, so a key is made, replaced and revoked without
a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from broadcast.errors import SettingsError, refuse_pipe
from broadcast.rules import api_keys
from broadcast.rules.api_keys import APIKey
from broadcast.settings.program_settings import Settings

log = logging.getLogger(__name__)

_VARIABLE: Final = "BROADCAST_API_KEYS"
_IN_FILE: Final = f"{_VARIABLE}_FILE"
_MOST_BYTES: Final = 1_000_000


class GoodKeys:
    """Reads every key that is good."""

    def __init__(
        self,
        settings: Settings,
        stored: Callable[[], Sequence[APIKey]],
        *,
        may_be_empty: bool = True,
    ) -> None:
        """Read the settings' keys. *stored* reads the database's. Raises SettingsError."""
        given = settings.api_keys
        self._fixed = (
            [] if given is None else api_keys.parse(given.get_secret_value(), where=_VARIABLE)
        )
        self._file = settings.api_keys_file
        self._of_file = (
            [] if self._file is None else _parsed(_text(self._file, may_be_empty=may_be_empty))
        )
        self._stored = stored

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
        refuse_pipe(path)
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
