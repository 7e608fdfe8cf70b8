"""Liveness: since when no worker has done what a worker does at once.

Status says so after seconds and the audit after a minute, by the same rule. That a worker was woken
for is no sign of life: none may have answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from broadcast.frozen import frozen

#: Without a worker, or without beat, for this long: status says that none is there.
NOBODY = timedelta(seconds=15)
#: A sweep looks every few seconds, and a busy machine may miss some: the audit finds it stuck.
STUCK = timedelta(seconds=60)


@frozen
class Liveness:
    """What explains why nothing is called on a lane, or shows that a worker drives it."""

    leased_until: datetime | None = None
    #: The end of the lane's own wait.
    waits_until: datetime | None = None
    #: When the last of the doubtful batches that go before all others is due.
    doubt_until: datetime | None = None
    #: When its newest call began or the last word on one that left was stored, whichever came last.
    called_at: datetime | None = None
    #: When a gate or a wait last changed from when a broadcast of it may be called.
    due_changed_at: datetime | None = None


def of_lane(due: Iterable[datetime], moved_at: datetime, signs: Liveness) -> datetime | None:
    """Return since when no worker drives a lane; None where nothing waits for a driver.

    *due*: from when each batch may be called. *moved_at*: when its broadcast last moved.
    """
    first = min(due, default=None)
    if first is None:
        return None
    return latest(
        first, moved_at, signs.leased_until, signs.waits_until, signs.doubt_until,
        signs.called_at, signs.due_changed_at,
    )  # fmt: skip


def of_plan(moved_at: datetime, signs: Liveness) -> datetime:
    """Return since when no worker plans a broadcast that is to be planned."""
    return latest(moved_at, signs.waits_until, signs.due_changed_at)


def is_leased(signs: Liveness, moment: datetime) -> bool:
    """Return whether a driver holds the lane."""
    return signs.leased_until is not None and signs.leased_until > moment


def latest(first: datetime, *others: datetime | None) -> datetime:
    """Return the last of some moments, of which only the first must be there."""
    return max([first, *(moment for moment in others if moment is not None)])
