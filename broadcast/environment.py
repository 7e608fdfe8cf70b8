"""The environment as settings see it: what ``.env`` says, where the environment says nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

DOTENV = Path(".env")


def read() -> Mapping[str, str | None]:
    """Return the variables of the environment and of ``.env``.

    Settings read the same file and say what is wrong with it, so a bad one counts as none here.
    """
    if not DOTENV.is_file():
        return os.environ
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a file

    try:
        written = dotenv_values(DOTENV)
    except (OSError, UnicodeDecodeError):
        return os.environ
    return {**written, **os.environ}
