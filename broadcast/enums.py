"""Members of an enum that only a newer release knows.

While releases are upgraded one after the other an older one reads what a newer one wrote. It must
be able to read the row, and to leave it alone.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)


@lru_cache(maxsize=1024)
def recognised(enum: type[E], value: str) -> E:
    """Return the member of *enum* with this value, or an unknown value that equals no member."""
    try:
        return enum(value)
    except ValueError:
        stranger = str.__new__(enum, value)
        stranger._name_, stranger._value_ = "STRANGER", value
        return stranger


def is_recognised(value: StrEnum) -> bool:
    """Return whether this release knows a value that was read."""
    return value in type(value).__members__.values()
