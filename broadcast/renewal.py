"""Renewal: a file whose media_id is dead before a call is uploaded again, and what if it is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from broadcast.call.outcomes import Outcome
from broadcast.call.result import NoAnswer
from broadcast.call.waits import Waits
from broadcast.media import MARGIN

#: After an upload without an answer.
TRY_AGAIN: Final = timedelta(minutes=1)
#: Uploads in a row without an answer, after which a person decides.
MOST_TRIES: Final = 10

#: What passes: the next upload may be answered.
_PASSING: Final = frozenset({Outcome.WAIT, Outcome.THROTTLED, Outcome.UNLISTED})


def is_due(dies_at: datetime, now: datetime) -> bool:
    """Return whether a call must not be made with what dies then: it may wait its turn."""
    return dies_at <= now + MARGIN


def again_at(why: NoAnswer, *, tries: int, now: datetime, waits: Waits) -> datetime | None:
    """Return when a failed upload is made again, *tries* with this one; None: a person decides."""
    if why.outcome is Outcome.QUOTA_TODAY:
        return waits.next_day(now)
    if why.outcome in _PASSING and tries < MOST_TRIES:
        return now + waits.scaled(TRY_AGAIN)
    return None
