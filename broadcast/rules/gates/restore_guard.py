"""The restore guard: whether a database is the one that made its account's calls.

A database that was restored from a backup, or copied, does not know what was sent since, and would
send it again. Three facts show that: the place at which the database lives, how many calls its lane
has claimed as Redis counts them, and, where Redis is empty, WeChat's own count of the day's calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from broadcast import day
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.states import Reason


class Trust(StrEnum):
    """Verdict on a database that may make calls."""

    KNOWN = "known"
    #: Its first calls: its place and its counter are to be written down.
    NEW = "new"
    #: Redis is empty. It may go on if WeChat's count of today's calls is the ledger's.
    COUNT_CALLS = "count_calls"


#: A reason: the lanes are to be closed until a person answers.
Verdict: TypeAlias = Trust | Reason


@frozen
class Sight:
    """Facts by which the database of an account is judged."""

    #: Where the database lived when its first request was stored; None: it has none.
    known_place: str | None
    #: Where it lives now; empty: its server does not say.
    place: str
    #: Calls that the lane claimed, by the database and by Redis; None: Redis has no count.
    claims: int
    counted: int | None
    #: Redis has a count of another account of this database.
    counts_others: bool
    #: When a worker was last at work on it.
    seen_at: datetime | None
    #: Since when the account owes the oldest of what it still has to send; None: it owes nothing.
    owed_since: datetime | None
    now: datetime


def judge(sight: Sight) -> Verdict:
    """Return whether calls may be made, or the reason to close the lanes."""
    if sight.known_place and sight.place and sight.known_place != sight.place:
        return Reason.OTHER_PLACE
    if sight.counted is not None and sight.counted > sight.claims:
        return Reason.COUNTER_BEHIND
    if sight.seen_at is None and not sight.claims:
        return Trust.NEW
    if sight.counted is not None:
        return Trust.KNOWN
    if sight.counts_others and not sight.claims:
        return Trust.NEW
    return Trust.COUNT_CALLS if _may_be_of_today(sight) else Reason.REDIS_EMPTY


def _may_be_of_today(sight: Sight) -> bool:
    """Return whether whatever was sent since the database was copied was sent today.

    Then WeChat's count of today's calls shows it.
    """
    begins = day.start(sight.now)
    was_seen = sight.seen_at is not None and sight.seen_at >= begins
    return was_seen or sight.owed_since is None or sight.owed_since >= begins


#: By so many calls, and by this part of the ledger's, WeChat's count may exceed the ledger's.
MORE_CALLS: Final = 2
MORE_PART: Final = 0.01


def explains(
    used: Mapping[SendPath, int], called: Mapping[SendPath, int], *, shared_quota: bool
) -> bool:
    """Return whether the ledger's calls of today explain those that WeChat counts as *used*.

    *shared_quota*: both interfaces take of the same calls, so that each count may hold the other's.
    """
    if shared_quota:
        return _explained(max(used.values(), default=0), sum(called.values()))
    return all(_explained(count, called.get(path, 0)) for path, count in used.items())


def _explained(used: int, called: int) -> bool:
    return used - called <= called * MORE_PART + MORE_CALLS


def restore_point(said: datetime, seen_at: datetime | None) -> datetime:
    """Return up to when a restored database knows what was sent.

    *said*: when it was copied, as a person says; *seen_at*: when a worker was last at work on it.
    """
    return said if seen_at is None else min(said, seen_at)
