"""The simulator's clock: the real one, shifted. Times are Unix seconds."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

SECONDS_PER_DAY = 86_400
SECONDS_PER_MINUTE = 60


@dataclass(slots=True)
class Clock:
    """Runs as fast as the real clock, `shift_s` seconds ahead of it."""

    shift_s: float = 0.0

    def now(self) -> float:
        """Return the time at WeChat."""
        return time.time() + self.shift_s


def day_of(now: float, *, offset_s: int) -> int:
    """Number the days of a zone that is `offset_s` seconds ahead of UTC (section 5.1)."""
    return int(now + offset_s) // SECONDS_PER_DAY


def month_of(now: float, *, offset_s: int) -> int:
    """Number the calendar months of that zone (section 5.1: 4 messages a month)."""
    zone = dt.timezone(dt.timedelta(seconds=offset_s))
    local = dt.datetime.fromtimestamp(now, zone)
    return local.year * 12 + local.month


def next_day_start(now: float, *, offset_s: int) -> float:
    """Return when the zone's next day begins."""
    return float((day_of(now, offset_s=offset_s) + 1) * SECONDS_PER_DAY - offset_s)
