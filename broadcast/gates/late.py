"""Whether a broadcast's first call would come too late to be made without an operator's consent.

Only the time counts in which no worker drove its lane: a turn in the lane's own queue and a wait
for another day are no delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from broadcast.duration import parse_duration
from broadcast.frozen import frozen

#: A first call that comes later than this after it was due is held for a person.
LATE_BY = timedelta(minutes=15)
#: A worker needs moments to come: one held for less would be held at each resume again.
LEAST_LATE_BY = timedelta(minutes=1)
#: A shorter gap of a lane is a pause between two calls, or a minute for which WeChat asked.
SILENCE = timedelta(minutes=2)


def parse_late_by(text: object) -> timedelta:
    """Return how late a first call may come. Raises ValueError."""
    length = parse_duration(text)
    if length < LEAST_LATE_BY:
        raise ValueError(f"{text!r} is shorter than a minute")
    return length


@frozen
class First:
    """What the moment of a first call is held against."""

    #: From when it may have been called: its time, its publication, the opening of its last gate.
    due: datetime
    #: Until when the lane was driven, or waited for what is no delay.
    attended: Sequence[datetime]
    #: Seconds in which no worker drove the lane, and when they were counted last.
    unattended_s: int
    unattended_at: datetime | None
    #: Seconds.
    late_by_s: int

    @property
    def was_handed_over(self) -> bool:
        """Whether it waited for a worker before it was a broadcast."""
        return self.unattended_s > 0 and self.unattended_at == self.due


def is_late(first: First, now: datetime) -> bool:
    """Return whether a first call at *now* is late."""
    return unattended(first, now).total_seconds() > first.late_by_s


def unattended(first: First, now: datetime) -> timedelta:
    """Return for how long no worker drove the lane of a broadcast that was due."""
    # What was counted before it was due (again) is no delay of its own.
    counted = first.unattended_at is not None and first.unattended_at >= first.due
    before = timedelta(seconds=first.unattended_s if counted else 0)
    return before + silence(first, now)


def silence(first: First, now: datetime) -> timedelta:
    """Return for how long no worker has driven the lane, of what was not counted yet."""
    counted = [] if first.unattended_at is None else [first.unattended_at]
    return max(now - max([first.due, *first.attended, *counted]), timedelta(0))
