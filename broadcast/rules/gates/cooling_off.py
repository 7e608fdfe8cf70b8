"""Cooling-off: the time in which a broadcast can be called off before its first call.

A gate of its own kind, which its time opens and no command. It is for people alone: what a program
or an option confirmed has none, for nobody would be there to call it off.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from broadcast.day import parse_duration
from broadcast.frozen import frozen

#: Longer is no second thought: a time to send at (``--at``) is the better word for it.
LONGEST: Final = timedelta(minutes=5)
_WRITTEN: Final = re.compile(r"(?P<length>\S+)(?:\s+above\s+(?P<above>\d{1,12}))?")


@frozen
class CoolingOff:
    """Length of the time, and the number of people above which there is one."""

    length: timedelta
    above: int = 0

    def for_people(self, people: int | None) -> timedelta:
        """Return the time for a broadcast to *people*; None: their number is not known."""
        return self.length if people is None or people > self.above else timedelta()


COOLING_OFF: Final = CoolingOff(length=timedelta(seconds=60), above=1000)


def parse_cooling_off(value: object) -> CoolingOff:
    """Return what a setting such as ``60s above 1000`` says; ``0`` is none. Raises ValueError."""
    if isinstance(value, CoolingOff):
        return value
    found = _WRITTEN.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"{value!r} is no length of time and number of people")
    return CoolingOff(length=parse_length(found["length"]), above=int(found["above"] or 0))


def parse_length(text: str) -> timedelta:
    """Return the length that *text* names, of 0 to 5 minutes. Raises ValueError."""
    length = timedelta() if text.strip() == "0" else parse_duration(text)
    if length > LONGEST:
        raise ValueError(f"{text!r} is longer than {LONGEST}")
    return length


def ends(length: timedelta, *, now: datetime, scheduled_at: datetime | None) -> datetime | None:
    """Return when the time of a broadcast ends that is stored *now*; None: it has none.

    What waits for a time of its own until then, or longer, can be called off anyway.
    """
    until = now + length
    if not length or (scheduled_at is not None and scheduled_at >= until):
        return None
    return until
