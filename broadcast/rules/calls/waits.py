"""Waits after each kind of reply, how old a claim may be for its call, and the circuit breaker.

Waits are dates in the database (``not_before``), never messages with an ETA. ``scale`` shrinks all
of them alike for trials against the simulator; in production it is 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from broadcast import day
from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import Attempt, NoAnswer, same_in_a_row
from broadcast.rules.calls.outcomes import NOT_WHITELISTED, PARALLEL, SAME_KEY_RUNNING, Outcome
from broadcast.rules.media import MARGIN
from broadcast.rules.states import Reason

#: WeChat remembers a clientmsgid for 24 h; after 23 h without an answer a person decides.
REPEAT_WINDOW = timedelta(hours=23)
#: mass/get may not know a fresh msg_id yet (40059 right after a success was reported).
VERIFY_FOR = timedelta(minutes=10)
VERIFY_PAUSE = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
#: Repeats of an unknown attempt: soon first, since a cut connection is usually a passing one, then
#: slower, because each repeat is a call of the account's day.
UNKNOWN_STEPS = tuple(timedelta(seconds=s) for s in (2, 10, 60, 120, 300, 600, 1800, 3600))
#: So many of them, about six hours in all; where something holds them up, the window ends them.
UNKNOWN_TRIES = 12
#: WeChat cannot be reached and nothing was sent: called again for as long as it takes.
NOT_READY_STEPS = tuple(timedelta(seconds=s) for s in (1, 2, 5, 10, 30, 60))
#: 42010 "masssend fast": 5 s, doubled up to 300 s.
PARALLEL_FIRST, PARALLEL_MOST = timedelta(seconds=5), timedelta(seconds=300)
#: WeChat's clock and ours differ: for so long after the turn of our day, it may be the day before
#: at WeChat. After 45009 we wait minutes then.
NEAR_TURN = timedelta(minutes=10)
NEAR_TURN_PAUSE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits at a scale (1.0 = as WeChat asks for)."""

    scale: float = 1.0

    def scaled(self, wait: timedelta) -> timedelta:
        """Return *wait* at this scale."""
        return wait * self.scale

    def after(self, history: Sequence[Attempt], now: datetime) -> tuple[datetime, Reason]:
        """Return when the batch may be called again, and why it waits."""
        last = history[-1]
        tries = same_in_a_row(history)
        reason = Reason.REPEAT_UNKNOWN
        match last.outcome:
            case Outcome.TOKEN | Outcome.NOT_CALLED:
                return now, Reason.NONE
            case Outcome.QUOTA_TODAY:
                return self.next_day(now), Reason.QUOTA_TODAY
            case Outcome.THROTTLED:
                pause = _doubled(tries) if last.errcode == PARALLEL else MINUTE
                reason = Reason.THROTTLED
            case Outcome.WAIT:
                pause = _step(NOT_READY_STEPS, tries)
                reason = Reason.WECHAT_NOT_READY
            case _ if last.errcode == SAME_KEY_RUNNING:
                pause = MINUTE
            case _:
                pause = _step(UNKNOWN_STEPS, tries)
        return now + self.scaled(pause), reason

    def next_day(self, now: datetime) -> datetime:
        """Return when to call again after 45009: at the turn of WeChat's day, or soon near it."""
        if just_turned(now):
            return now + self.scaled(NEAR_TURN_PAUSE)
        return now + self.scaled(day.turn(now) - now)


def just_turned(now: datetime) -> bool:
    """Return whether the day is so young here that it may not have turned at WeChat."""
    return now - day.start(now) < NEAR_TURN


def asked_for(repeats: int) -> timedelta:
    """Return how long so many unanswered repeats of a call take."""
    return sum((_step(UNKNOWN_STEPS, n) for n in range(1, repeats + 1)), timedelta(0))


def _step(steps: Sequence[timedelta], tries: int) -> timedelta:
    return steps[min(tries, len(steps)) - 1]


def _doubled(tries: int) -> timedelta:
    """Return the pause after a number of 42010 in a row, which must not outgrow a timedelta."""
    doublings = min(tries - 1, (PARALLEL_MOST // PARALLEL_FIRST).bit_length())
    return min(PARALLEL_FIRST * (1 << doublings), PARALLEL_MOST)


@frozen
class CircuitBreaker:
    """Numbers of batches that trip it; 0 switches a guard off."""

    #: Batches of one broadcast that were refused with the same errcode.
    refusals: int = 3
    #: Batches of one account that ended in doubt.
    doubts: int = 3

    def pauses(self, *, refused: int, waiting: bool) -> bool:
        """Return whether *refused* alike batches pause a broadcast, while others may be *waiting*.

        Where nothing waits there is nothing to be saved from the same end.
        """
        return waiting and _reached(refused, self.refusals)

    def stops(self, *, doubts: int) -> bool:
        """Return whether this number of *doubts* stops an account."""
        return _reached(doubts, self.doubts)


def _reached(count: int, limit: int) -> bool:
    return 0 < limit <= count


@frozen
class Tuning:
    """Settings of calls: waits, halvings of a batch, guards."""

    waits: Waits = field(default_factory=Waits)
    #: How often a batch may be halved in search of the OpenIDs that WeChat refuses.
    split_depth: int = 4
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    #: mass/send and mass/sendall count against one daily number of calls.
    shared_quota: bool = True
    #: A draft that was edited after the submit is held.
    watch_drafts: bool = True
    #: Accounts whose administrator WeChat asks before a call to everybody goes out.
    protected: frozenset[str] = frozenset()


DEFAULT_TUNING = Tuning()


#: Pause before the next request to WeChat for a token or a quota.
NOT_READY = timedelta(seconds=5)
#: Pause before the next question how many calls were made today, where WeChat refuses to say.
UNCOUNTED = timedelta(minutes=10)
#: Pause before the next request to Redis: it is ours, so no scale for WeChat's waits applies.
REDIS_AWAY = timedelta(seconds=2)

#: Pause before the next look at opt-outs that could not be applied: ours, so not scaled either.
OPT_OUT_UNAPPLIED = timedelta(minutes=1)

#: Outcomes that only a person can fix.
_STOPS = {
    Outcome.STOP_ACCOUNT,
    Outcome.STOP_BROADCAST,  # a request of ours that is malformed: asking again changes nothing
    Outcome.TOKEN,  # a token that WeChat has just given and does not take
    Outcome.QUOTA_MONTH,
}


@frozen
class WaitOrStop:
    """Reason and end of a lane's wait; an end of None is a stop that an operator lifts."""

    reason: Reason
    until: datetime | None


def classify_no_answer(
    outcome: Outcome, *, errcode: int | None = None, now: datetime, waits: Waits
) -> WaitOrStop:
    """Return whether a lane waits or its account stops after WeChat gave no answer.

    An address that is not on the whitelist is one machine's affair: another one takes the lane.
    """
    if outcome in _STOPS and errcode not in NOT_WHITELISTED:
        return WaitOrStop(reason=Reason.ACCOUNT_STOPPED, until=None)
    if outcome is Outcome.QUOTA_TODAY:
        return WaitOrStop(reason=Reason.QUOTA_TODAY, until=waits.next_day(now))
    throttled = outcome is Outcome.THROTTLED
    pause = waits.scaled(MINUTE if throttled else NOT_READY)
    reason = Reason.THROTTLED if throttled else Reason.WECHAT_NOT_READY
    return WaitOrStop(reason=reason, until=now + pause)


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


def is_called_again(outcome: Outcome, *, tries: int) -> bool:
    """Return whether there is another try after *tries*, the last of which gave *outcome*."""
    return outcome in _PASSING and tries < MOST_TRIES


def dies_too_soon(dies_at: datetime, now: datetime) -> bool:
    """Return whether a call must not be made with what dies then: it may wait its turn."""
    return dies_at <= now + MARGIN


def again_at(why: NoAnswer, *, tries: int, now: datetime, waits: Waits) -> datetime | None:
    """Return when a failed upload is made again, *tries* with this one; None: a person decides."""
    if why.outcome is Outcome.QUOTA_TODAY:
        return waits.next_day(now)
    if is_called_again(why.outcome, tries=tries):
        return now + waits.scaled(UNANSWERED_PAUSE)
    return None
