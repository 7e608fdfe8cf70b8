"""Events at moments of the shifted clock, in the order of the moments."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import TypeAlias

from simulator.core.clock import Clock

Job: TypeAlias = Callable[[float], None]


class Scheduler:
    """Runs jobs in the event loop when they are due.

    A job is given the moment that it was due at, Unix seconds of the shifted clock: after a jump
    of the clock that is earlier than now.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: list[tuple[float, int, Job]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def __len__(self) -> int:
        return len(self._jobs)

    def at(self, moment: float, job: Job) -> None:
        """Run `job` at `moment`, or soon if that is past; after a stop it never runs."""
        if not self._stopped:
            heapq.heappush(self._jobs, (moment, next(self._numbers), job))
            self._set_timer()

    def run_due(self) -> None:
        """Run what is due; call it when the clock was shifted."""
        try:
            while self._jobs and self._jobs[0][0] <= self._clock.now():
                moment, _, job = heapq.heappop(self._jobs)
                job(moment)
        finally:
            self._set_timer()

    def stop(self) -> None:
        """Forget every job."""
        self._stopped = True
        self._jobs.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._jobs:
            delay_s = max(0, self._jobs[0][0] - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.run_due)
