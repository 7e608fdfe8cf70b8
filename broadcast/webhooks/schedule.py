"""When a webhook is tried: at once, then after growing pauses for a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from broadcast.call.waits import Waits

#: From the event, or from a person's retry, to the last try.
TRIED_FOR: Final = timedelta(hours=24)
#: After the first try that failed, after the second, and so on; the last of them repeats.
PAUSES: Final = (
    *(timedelta(seconds=s) for s in (5, 30)),
    *(timedelta(minutes=m) for m in (2, 10, 30)),
    *(timedelta(hours=h) for h in (1, 2, 4)),
)


def last_try(since: datetime, *, waits: Waits) -> datetime:
    """Return when an event is tried last that is tried since *since*."""
    return since + waits.scaled(TRIED_FOR)


def next_try(tries: int, *, now: datetime, since: datetime, waits: Waits) -> datetime | None:
    """Return when to try again after *tries* in vain since *since*; None: never."""
    until = last_try(since, waits=waits)
    if now >= until:
        return None
    pause = PAUSES[min(max(tries, 1), len(PAUSES)) - 1]
    return min(now + waits.scaled(pause), until)
