"""Overlaps: broadcasts that followers of a list got already, and will get."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from broadcast.frozen import frozen


@frozen
class Overlap:
    """An earlier broadcast, and how many of a new list got it or may have."""

    id: str
    started_at: datetime
    followers: int
    #: Its sets that hold anybody whom WeChat was not given, or refused.
    rest: frozenset[str]
    #: Its list is the new one, so that its rest is a part of that.
    same_list: bool = True
    #: A batch of it may have been sent, and counts as waiting until it is cancelled.
    possibly: bool = False


@frozen
class ToCome:
    """A broadcast that continues automatically, and how many of a list it still reaches."""

    id: str
    #: Until when it waits, for its time or for another day; None: it is sent now.
    at: datetime | None
    followers: int


@frozen
class Uncounted:
    """A broadcast of the account of which nobody can say how many of a new audience get it too."""

    id: str
    #: When its first call began; None: it is still to come.
    started_at: datetime | None
    same_content: bool


@frozen
class ListOverlaps:
    """Broadcasts that the followers of a new list got today, and will get beside it."""

    #: How many got any broadcast of the account today, or may have; each is counted once.
    today: int
    #: Which broadcasts those were, the newest first.
    today_ids: Sequence[str]
    #: With other content, sent in part within 24 hours, and not going on; the newest first.
    earlier: Sequence[Overlap]
    to_come: Sequence[ToCome]
    #: Paused or held ones that were not sent to anybody: a resume would reach them as well.
    stopped: Sequence[ToCome] = ()
    #: Of today or to come, where it or the new one goes by a list that only WeChat has.
    uncounted: Sequence[Uncounted] = ()
    #: The account has more of them than were compared with the list: each figure is a lower bound.
    more: bool = False


@frozen
class Newer:
    """Newer broadcasts of the account that followers of an older one got, or may have, or will."""

    followers: int
    ids: Sequence[str]
