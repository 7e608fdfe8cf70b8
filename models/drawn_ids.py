"""Ids that are drawn by chance, and short enough to be read out."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from broadcast import day

#: Without those that are mistaken for each other when an id is read out.
_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
#: Of each id so many are drawn.
LENGTH: Final = 6


def drawn() -> str:
    """Return letters that are drawn by chance."""
    return "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))


def dated(moment: datetime) -> str:
    """Return an id of the day in Shanghai, which on that day one in 700 million is as well."""
    return f"{moment.astimezone(day.SHANGHAI):%Y%m%d}-{drawn()}"
