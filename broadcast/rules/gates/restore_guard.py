"""The restore guard: whether a database is the one that made its account's calls.

A database that was restored from a backup, or copied, does not know what was sent since, and would
send it again. Four facts show that: the place at which the database lives, how many calls its lane
has claimed as Redis counts them, how often workers noted there that they are at work, and, where
Redis is empty, WeChat's own count of the day's calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
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


#: How exactly ``seen_at`` is kept.
SEEN_EVERY: Final = timedelta(minutes=1)


@frozen
class Counts:
    """What Redis counted of a database: one that was restored is behind it."""

    #: Claims of each account.
    claims: Mapping[str, int]
    #: Notes of workers that are at work; None: there is no count.
    notes: int | None = None


@frozen
class LaneFacts:
    """Facts of an account's lane in the database."""

    #: Calls that it claimed.
    claims: int = 0
    #: When a worker was last at work that knew it to be the lane that made them.
    seen_at: datetime | None = None
    #: WeChat refuses the account or is away, and is not asked now.
    rests: bool = False
    #: It waits because WeChat refuses to count its calls of today.
    is_uncounted: bool = False


@frozen
class Owed:
    """What an account still has to send."""

    #: Since when it owes the oldest of it; None: it owes nothing.
    since: datetime | None


@frozen
class DatabaseFacts:
    """Facts by which a database is judged."""

    id: str
    #: Where it lived when it first had something to send; None: never, or nobody could tell.
    known_place: str | None
    #: Where it lives now; empty: this process cannot tell.
    place: str
    #: When a worker was last at work on it, whatever it knew.
    seen_at: datetime | None
    #: How often that was noted: it only grows.
    notes: int
    #: A person is to say what became of it.
    is_closed: bool
    now: datetime
    #: By account.
    lanes: Mapping[str, LaneFacts]
    #: Claims of accounts that had no lane when a person answered, as Redis counted them then.
    forgotten: Mapping[str, int]
    #: The oldest schema whose programs may work on it.
    oldest_compatible: int = 1
    #: When Redis was last found without a count of the notes; None: never.
    emptied_at: datetime | None = None

    def lane(self, account: str) -> LaneFacts:
        """Return the facts of a lane, also of one that is not there yet."""
        return self.lanes.get(account, LaneFacts(claims=self.forgotten.get(account, 0)))

    @property
    def uncounted(self) -> Sequence[str]:
        """The accounts whose calls nobody can count: each waits for WeChat, or for a person."""
        return [name for name, lane in self.lanes.items() if lane.is_uncounted]

    def behind(self, counts: Counts) -> Iterator[str]:
        """Yield the accounts of which Redis counts more claims, with a lane or without one."""
        for account, counted in counts.claims.items():
            if counted > self.lane(account).claims:
                yield account

    @property
    def is_elsewhere(self) -> bool:
        """True if it is known to live at another place."""
        if not self.is_renamed:
            return False
        known, here = _of_mariadb(self.known_place or ""), _of_mariadb(self.place)
        # A new container has another name, and the same files.
        return known is None or here is None or known[:2] != here[:2]

    @property
    def is_renamed(self) -> bool:
        """True if its place has another name than the one that is known."""
        return bool(self.known_place and self.place) and self.known_place != self.place

    @property
    def was_rebuilt(self) -> bool:
        """True if its place differs in nothing but when its table was made.

        OPTIMIZE TABLE makes that anew where the database is, and a dump wherever it is restored.
        """
        known, here = _of_mariadb(self.known_place or ""), _of_mariadb(self.place)
        if known is None or here is None:
            return False
        return known[0] != here[0] and known[1:] == here[1:]

    def has_new_place(self, counts: Counts) -> bool:
        """Return whether it is the same database, whose place has another name; of all lanes.

        Where its table was made anew, Redis must count exactly what it has: a copy has another
        Redis, and what was restored is behind this one.
        """
        if not self.is_elsewhere:
            return self.is_renamed
        claims = all(
            self.lane(name).claims == counts.claims.get(name, 0)
            for name in {*self.lanes, *counts.claims}
        )
        return self.was_rebuilt and counts.notes == self.notes and claims

    @property
    def known_until(self) -> datetime | None:
        """When a worker last knew a lane of it; None: never."""
        return max((lane.seen_at for lane in self.lanes.values() if lane.seen_at), default=None)

    def may_have_sent(self, owed: Owed | None, counts: Counts) -> bool:
        """Return whether what is owed may have gone out, though no worker knew the account here.

        It was stored before Redis lost the count of the notes, which would show a backup.
        """
        is_empty = counts.notes is None and self.notes > 0
        emptied_at = self.now if is_empty else self.emptied_at
        if emptied_at is None or owed is None:
            return emptied_at is not None
        return owed.since is not None and owed.since <= emptied_at

    def is_forgetful(self, counts: Counts) -> bool:
        """Return whether it lacks notes of workers: what people changed meanwhile is lost, too."""
        return counts.notes is not None and counts.notes > self.notes

    def is_recent(self, seen_at: datetime | None) -> bool:
        """Return whether a moment need not be noted anew."""
        return seen_at is not None and abs(self.now - seen_at) < SEEN_EVERY


def _of_mariadb(place: str) -> tuple[str, str, str] | None:
    """Return when its table was made, the database, and the server's host and port."""
    found = re.fullmatch(r"mariadb (\S+) (.+) (\S+:\d+)", place)
    return found and (found[1], found[2], found[3])


def judge(
    facts: DatabaseFacts,
    account: str,
    *,
    counts: Counts,
    owed: Owed | None = None,
) -> Verdict:
    """Return whether the calls of an account may be made, or the reason to close the lanes.

    *counts*: Redis's, read before the facts. *owed*: looked for where the verdict without it is
    ``COUNT_CALLS``.
    """
    lane, counted = facts.lane(account), counts.claims.get(account)
    if facts.is_elsewhere:
        return Reason.OTHER_PLACE
    if counted is not None and counted > lane.claims:
        return Reason.COUNTER_BEHIND
    if facts.is_forgetful(counts):
        return Reason.WORK_FORGOTTEN
    is_new = lane.seen_at is None and not lane.claims
    if is_new and not facts.may_have_sent(owed, counts):
        return Trust.NEW
    if counted is not None:
        return Trust.KNOWN
    # Whatever was sent since the database was copied was sent today: WeChat's count shows it. A
    # Redis that starts anew at midnight is more likely than a copy of the last two minutes.
    begins = day.start(facts.now)
    known_since = min(begins, facts.now - 2 * SEEN_EVERY)
    seen_at = facts.seen_at if is_new else lane.seen_at
    was_seen = seen_at is not None and seen_at >= known_since
    may_be_of_today = was_seen or owed is None or owed.since is None or owed.since >= begins
    return Trust.COUNT_CALLS if may_be_of_today else Reason.REDIS_EMPTY


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


def restore_point(said: datetime, known_until: datetime | None) -> datetime:
    """Return up to when a restored database knows what was sent.

    *said*: when it was copied, as a person says; *known_until*: when a worker last knew it.
    """
    return said if known_until is None else min(said, known_until)
