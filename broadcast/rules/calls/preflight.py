"""Preflight: what follows when WeChat could not be asked at all.

No token was to be had, or quota/get was refused. No call of a batch was made, so no batch moves:
the lane waits or its account is stopped.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import NOT_LISTED, Outcome
from broadcast.rules.calls.policy import MINUTE, Waits
from broadcast.rules.media import MARGIN
from broadcast.rules.states import Reason

#: Pause before the next request to WeChat for a token or a quota.
NOT_READY = timedelta(seconds=5)
#: Pause before the next request to Redis: it is ours, so no scale for WeChat's waits applies.
REDIS_AWAY = timedelta(seconds=2)

#: Outcomes that only a person can fix.
_STOPS = {
    Outcome.STOP_ACCOUNT,
    Outcome.STOP_BROADCAST,  # a request of ours that is malformed: asking again changes nothing
    Outcome.TOKEN,  # a token that WeChat has just given and does not take
    Outcome.QUOTA_MONTH,
}


@frozen
class Obstacle:
    """Why a lane does not go on, and until when; None where a person must lift it."""

    reason: Reason
    until: datetime | None


def weigh(outcome: Outcome, *, errcode: int | None = None, now: datetime, waits: Waits) -> Obstacle:
    """Return whether a lane waits or its account stops, after WeChat could not be asked.

    An address that is not on the whitelist is one machine's affair: another one takes the lane.
    """
    if outcome in _STOPS and errcode not in NOT_LISTED:
        return Obstacle(reason=Reason.ACCOUNT_STOPPED, until=None)
    if outcome is Outcome.QUOTA_TODAY:
        return Obstacle(reason=Reason.QUOTA_TODAY, until=waits.next_day(now))
    throttled = outcome is Outcome.THROTTLED
    pause = waits.scaled(MINUTE if throttled else NOT_READY)
    reason = Reason.THROTTLED if throttled else Reason.WECHAT_NOT_READY
    return Obstacle(reason=reason, until=now + pause)


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


#: Before the next try.
UNANSWERED_PAUSE: Final = timedelta(minutes=1)
#: Times in a row without an answer, after which a person decides.
MOST_TRIES: Final = 10

#: What passes: the next time it may be answered.
_PASSING: Final = frozenset({Outcome.WAIT, Outcome.THROTTLED, Outcome.UNLISTED})


def is_asked_again(outcome: Outcome, *, tries: int) -> bool:
    """Return whether there is another try after *tries*, the last of which gave *outcome*."""
    return outcome in _PASSING and tries < MOST_TRIES


def is_due(dies_at: datetime, now: datetime) -> bool:
    """Return whether a call must not be made with what dies then: it may wait its turn."""
    return dies_at <= now + MARGIN


def again_at(why: NoAnswer, *, tries: int, now: datetime, waits: Waits) -> datetime | None:
    """Return when a failed upload is made again, *tries* with this one; None: a person decides."""
    if why.outcome is Outcome.QUOTA_TODAY:
        return waits.next_day(now)
    if is_asked_again(why.outcome, tries=tries):
        return now + waits.scaled(UNANSWERED_PAUSE)
    return None
