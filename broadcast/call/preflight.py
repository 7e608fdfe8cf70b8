"""Preflight: what follows when WeChat could not be asked at all.

No token was to be had, or quota/get was refused. No call of a batch was made, so no batch moves:
the lane waits or its account is stopped.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from broadcast.call.outcomes import NOT_LISTED, Outcome
from broadcast.call.waits import MINUTE, Waits
from broadcast.frozen import frozen
from broadcast.reasons import Reason

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
