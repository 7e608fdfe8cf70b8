"""The language of ``.env``: texts are needed before the settings are read."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "BROADCAST_LANG"


def from_dotenv() -> None:
    """Take ``BROADCAST_LANG`` from ``.env`` into the environment, unless it is set there."""
    file = Path(".env")
    if NAME in os.environ or not file.is_file():
        return
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a file

    try:
        value = dotenv_values(file).get(NAME)
    except (OSError, UnicodeDecodeError):
        # The settings read the same file next, and say what is wrong with it.
        return
    if value:
        os.environ[NAME] = value
