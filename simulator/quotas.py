"""Counters of calls and messages by day, minute and month (sections 2.5 and 5)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from simulator.clock import SECONDS_PER_MINUTE

Window = Literal["fixed", "sliding"]


@dataclass(slots=True)
class DailyCounter:
    """Calls of one day, by name; a new day starts at nought."""

    _day: int = 0
    _used: Counter[str] = field(default_factory=Counter)

    def used(self, name: str = "", *, day: int) -> int:
        """Return the calls of this day."""
        return self._of(day)[name]

    def add(self, name: str = "", *, day: int, calls: int = 1) -> None:
        """Count calls; a negative number gives them back."""
        used = self._of(day)
        used[name] = max(0, used[name] + calls)

    def set(self, used: int, name: str = "", *, day: int) -> None:
        """Put the counter at a figure."""
        self._of(day)[name] = used

    def _of(self, day: int) -> Counter[str]:
        if day != self._day:
            self._day, self._used = day, Counter()
        return self._used


class MonthlyCounter(DailyCounter):
    """The same by month: `day` is the number of the month."""


@dataclass(slots=True)
class MinuteCounter:
    """Calls of the current minute, or of the last 60 seconds."""

    _times: deque[float] = field(default_factory=deque)

    def used(self, now: float, *, window: Window) -> int:
        """Return the calls that count at this time."""
        start = now - SECONDS_PER_MINUTE
        if window == "fixed":
            start = now // SECONDS_PER_MINUTE * SECONDS_PER_MINUTE
        return sum(1 for time in self._times if time >= start)

    def add(self, now: float) -> None:
        """Count one call."""
        while self._times and self._times[0] <= now - SECONDS_PER_MINUTE:
            self._times.popleft()
        self._times.append(now)

    def clear(self) -> None:
        """Forget every call."""
        self._times.clear()
