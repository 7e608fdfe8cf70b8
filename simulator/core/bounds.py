"""Bounds of ordered numbers: as large as WeChat could have them, and no larger."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

_SECONDS_PER_YEAR = 31_536_000
#: Of generated OpenIDs; each costs two bytes.
MOST_FOLLOWERS = 100_000_000
#: The clock stays in years that every calendar knows.
MOST_SHIFT_S = 50 * _SECONDS_PER_YEAR

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Followers = Annotated[int, Field(ge=0, le=MOST_FOLLOWERS)]
Repeats = Annotated[int, Field(ge=1, le=10_000)]
Seconds = Annotated[float, Field(ge=0, le=10 * _SECONDS_PER_YEAR)]
Shift = Annotated[float, Field(ge=-MOST_SHIFT_S, le=MOST_SHIFT_S)]
ZoneOffset = Annotated[int, Field(gt=-86_400, lt=86_400)]
