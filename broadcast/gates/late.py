"""Whether a broadcast's first call would come too late to be made without a person's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What the moment of a first call is held against."""

    scheduled_at: datetime | None
    published_at: datetime | None
    #: Last sign of other calls on the lane: a broadcast that stood in line there is not late.
    lane_busy_until: datetime | None
    #: The end of a wait for another day's calls.
    waited_until: datetime | None
    #: Seconds.
    late_by_s: int


def is_late(first: First, now: datetime, *, opened_at: datetime | None = None) -> bool:
    """Tell whether a first call at *now* is late. *opened_at*: when the last gate was opened."""
    due = [
        first.scheduled_at,
        first.published_at,
        first.lane_busy_until,
        first.waited_until,
        opened_at,
    ]
    latest = max((moment for moment in due if moment is not None), default=now)
    return now > latest + timedelta(seconds=first.late_by_s)
