"""Lateness: for how long no worker has driven a lane, and from when a first call is late.

A broadcast whose first call is late is put on hold by its claim: :func:`is_late` decides, and
``hold_if_late`` of the ledger's ``claims.py`` closes the gate. That no worker is there, status
says after seconds and the audit after a minute, by the same rule. That a worker was woken for is no
sign of life: none may have answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from broadcast.day import parse_duration
from broadcast.frozen import frozen

#: Without a worker, or without beat, for this long: status says that none is there.
NOBODY = timedelta(seconds=15)
#: A sweep looks every few seconds, and a busy machine may miss some: the audit finds it stuck.
STUCK = timedelta(seconds=60)


@frozen
class SignsOfLife:
    """Moments that explain why no call is made on a lane, or show that a worker drives it."""

    leased_until: datetime | None = None
    #: The end of the lane's own wait.
    waits_until: datetime | None = None
    #: When the last of the doubtful batches that go before all others is due.
    doubt_until: datetime | None = None
    #: When its newest call began or the last word on one that left was stored, whichever came last.
    called_at: datetime | None = None
    #: When a gate or a wait last changed from when a broadcast of it may be called.
    due_changed_at: datetime | None = None


def of_lane(due: Iterable[datetime], moved_at: datetime, signs: SignsOfLife) -> datetime | None:
    """Return since when no worker drives a lane; None where nothing waits for a driver.

    *due*: from when each batch may be called. *moved_at*: when its broadcast last moved.
    """
    first = min(due, default=None)
    if first is None:
        return None
    return latest(
        first,
        moved_at,
        signs.leased_until,
        signs.waits_until,
        signs.doubt_until,
        signs.called_at,
        signs.due_changed_at,
    )


def of_plan(moved_at: datetime, signs: SignsOfLife) -> datetime:
    """Return since when no worker plans a broadcast that is to be planned."""
    return latest(moved_at, signs.waits_until, signs.due_changed_at)


def is_leased(signs: SignsOfLife, moment: datetime) -> bool:
    """Return whether a driver holds the lane."""
    return signs.leased_until is not None and signs.leased_until > moment


def latest(first: datetime, *others: datetime | None) -> datetime:
    """Return the last of some moments, of which only the first must be there."""
    return max([first, *(moment for moment in others if moment is not None)])


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
class FirstCallLimit:
    """Limit of the moment of a first call."""

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
        """True if it waited for a worker before it was a broadcast."""
        return self.unattended_s > 0 and self.unattended_at == self.due


def is_late(first: FirstCallLimit, now: datetime) -> bool:
    """Return whether a first call at *now* is late."""
    return unattended(first, now).total_seconds() > first.late_by_s


def unattended(first: FirstCallLimit, now: datetime) -> timedelta:
    """Return for how long no worker drove the lane of a broadcast that was due."""
    # What was counted before it was due (again) is no delay of its own.
    counted = first.unattended_at is not None and first.unattended_at >= first.due
    before = timedelta(seconds=first.unattended_s if counted else 0)
    return before + silence(first, now)


def silence(first: FirstCallLimit, now: datetime) -> timedelta:
    """Return for how long no worker has driven the lane, of what was not counted yet."""
    counted = [] if first.unattended_at is None else [first.unattended_at]
    return max(now - max([first.due, *first.attended, *counted]), timedelta(0))
