"""Counters of calls and messages by day, month and minute (sections 2.5 and 5)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from simulator.core.clock import SECONDS_PER_MINUTE

Window = Literal["fixed", "sliding"]


@dataclass(slots=True)
class PeriodCounter:
    """Counts by name within one period; a new one starts at nought.

    `period` is the number of a day or of a month. The name of a call is its path.
    """

    _period: int = 0
    _used: Counter[str] = field(default_factory=Counter)

    def used(self, name: str, *, period: int) -> int:
        """Return the count of this period."""
        return self._of(period)[name]

    def add(self, name: str, *, period: int, calls: int = 1) -> None:
        """Count; a negative number gives back."""
        used = self._of(period)
        used[name] = max(0, used[name] + calls)

    def set(self, name: str, used: int, *, period: int) -> None:
        """Set the counter to a figure."""
        self._of(period)[name] = used

    def clear(self, *, period: int, keep: frozenset[str] = frozenset()) -> None:
        """Reset every counter to zero but those to keep."""
        used = self._of(period)
        for name in used.keys() - keep:
            del used[name]

    def all(self, *, period: int) -> dict[str, int]:
        """Return every count of this period."""
        return dict(self._of(period))

    def _of(self, period: int) -> Counter[str]:
        if period != self._period:
            self._period, self._used = period, Counter()
        return self._used


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
