"""Lengths of time as people write them: ``90s``, ``10m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
LONGEST = timedelta(days=366)


def in_seconds(value: object) -> object:
    """Return the seconds of a length of time, and a number as it is: it says seconds already."""
    try:
        return int(parse_duration(value).total_seconds())
    except ValueError:
        return value


def parse_duration(text: object) -> timedelta:
    """Return the length that *text* names. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = _PARTS.fullmatch(str(text).strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no length of time")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if max(days, hours, minutes, seconds) > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than {LONGEST.days} days")
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST:
        raise ValueError(f"{text!r} is longer than {LONGEST.days} days")
    return length
