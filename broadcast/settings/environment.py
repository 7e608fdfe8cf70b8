"""The environment as settings see it: what ``.env`` says, where the environment says nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from broadcast.errors import SettingsError

DOTENV = Path(".env")


def read() -> Mapping[str, str | None]:
    """Return the variables of the environment and of ``.env``.

    Settings read the same file and say what is wrong with it, so a bad one counts as none here.
    """
    try:
        return {**written(), **os.environ}
    except SettingsError:
        return os.environ


def written() -> Mapping[str, str | None]:
    """Return the variables of ``.env``. Raises SettingsError where any of it cannot be read."""
    if not DOTENV.exists():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a file
    from dotenv.parser import parse_stream  # noqa: PLC0415

    try:
        text = DOTENV.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        # The error itself carries the whole file, and the file carries secrets.
        problem = SettingsError("error.settings.dotenv", byte=error.start)
    except OSError as error:
        problem = SettingsError("error.settings.dotenv_unread", reason=error.strerror)
    else:
        # The library itself skips such a line, and another account would be taken.
        wrong = next((one.original for one in parse_stream(StringIO(text)) if one.error), None)
        if wrong is None:
            return dotenv_values(stream=StringIO(text))
        blank = len(wrong.string) - len(wrong.string.lstrip("\n"))
        problem = SettingsError("error.settings.dotenv_line", line=wrong.line + blank)
    raise problem
