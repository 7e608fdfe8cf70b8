"""Renewal: a file whose media_id is dead before a call is uploaded again, and what if it is not."""

from __future__ import annotations

from datetime import datetime

from broadcast import unanswered
from broadcast.call.outcomes import Outcome
from broadcast.call.result import NoAnswer
from broadcast.call.waits import Waits
from broadcast.media import MARGIN


def is_due(dies_at: datetime, now: datetime) -> bool:
    """Return whether a call must not be made with what dies then: it may wait its turn."""
    return dies_at <= now + MARGIN


def again_at(why: NoAnswer, *, tries: int, now: datetime, waits: Waits) -> datetime | None:
    """Return when a failed upload is made again, *tries* with this one; None: a person decides."""
    if why.outcome is Outcome.QUOTA_TODAY:
        return waits.next_day(now)
    if unanswered.is_asked_again(why.outcome, tries=tries):
        return now + waits.scaled(unanswered.PAUSE)
    return None
