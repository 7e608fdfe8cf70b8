"""The moment by which a call must leave, on every clock that shows it.

``time.monotonic()`` stops while a machine is suspended. A laptop that is shut between a
claim and its call would make the call hours later and take it for fresh, although a person has
stopped the broadcast meanwhile.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TypeAlias

Clocks: TypeAlias = tuple[float, ...]

# Linux counts the sleep in CLOCK_BOOTTIME, macOS in CLOCK_MONOTONIC, which Python's own clock of
# that name is not there.
_SLEEPLESS: int | None = getattr(
    time, "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME", None
)


def clocks() -> Clocks:
    """Return the seconds of all clocks now; the first is ``time.monotonic()``.

    The wall clock shows a sleep where no other does. One that was set ahead only makes a call
    be given back.
    """
    monotonic, wall = time.monotonic(), time.time()
    if _SLEEPLESS is None:
        return monotonic, wall
    return monotonic, wall, time.clock_gettime(_SLEEPLESS)


@dataclass(frozen=True, slots=True)
class SendBy:
    """The latest moment, as each clock will show it."""

    ends: Clocks

    @classmethod
    def after(cls, begun: Clocks, *, moment: float, within_s: float) -> SendBy:
        """Return *within_s* seconds after *moment*, which is of ``time.monotonic()``.

        *begun* are the clocks at some time before it.
        """
        return cls(tuple(clock + (moment - begun[0]) + within_s for clock in begun))

    @property
    def over(self) -> bool:
        """Return whether any clock has passed it."""
        return any(clock > end for clock, end in zip(clocks(), self.ends, strict=True))
