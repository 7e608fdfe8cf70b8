"""Followers: what is known of each, and what pages of WeChat's list and its pushes add to it.

What is known of a person is one state with the moment of its evidence, and newer evidence wins:
that a page listed them, that they subscribed or left at some second. So pushes may come doubled,
late and in any order. All moments are WeChat's clock, in whole Unix seconds; 0 is "never".
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from broadcast.frozen import frozen
from broadcast.sorted_openids import Hits, IDs, firsts, order

#: What is known of one person, nine bytes. ``since``: they follow, or followed last, since then.
#: ``as_of``: when that was last confirmed or, of those who left, when they left.
FACTS: Final = np.dtype([("since", "<u4"), ("as_of", "<u4"), ("flags", "u1")])
FOLLOWS: Final = 1
#: ``since`` is WeChat's word; else they were listed first then.
SINCE_SAID: Final = 2
#: When they left is WeChat's word; else a pass did not find them any more.
LEFT_SAID: Final = 4
#: A subscription is in WeChat's list at the latest after this.
LISTED_AFTER_S: Final = 60

Facts: TypeAlias = npt.NDArray[np.void]
Seconds: TypeAlias = npt.NDArray[np.uint32]


@frozen
class FollowerFacts:
    """Some sorted OpenIDs, and what is known of each."""

    ids: IDs = field(repr=False)
    facts: Facts = field(repr=False)

    @property
    def follow(self) -> npt.NDArray[np.bool_]:
        """Mask of the OpenIDs that follow."""
        return np.asarray(self.facts["flags"] & FOLLOWS, bool)

    def part(self, part: slice) -> FollowerFacts:
        """Return some of them."""
        return FollowerFacts(ids=self.ids[part], facts=self.facts[part])


@frozen
class Merged(FollowerFacts):
    """Merged facts of some followers, and how many of them changed."""

    #: Listed by a page, each once.
    listed: int
    #: They follow now and did not before, and the other way round.
    joined: int
    lost: int
    #: Who has left because a whole pass did not list them.
    concluded: IDs = field(repr=False)


@frozen
class Seen:
    """OpenIDs on pages, with WeChat's time, in the order of the pages; each page is sorted."""

    ids: IDs = field(repr=False)
    at: Seconds = field(repr=False)


@frozen
class Changes:
    """Subscriptions and departures by WeChat's pushes, sorted; the newest moment of each kind."""

    ids: IDs = field(repr=False)
    followed: Seconds = field(repr=False)
    left: Seconds = field(repr=False)


@frozen
class Pass:
    """A pass over WeChat's whole list: when its first and its last page were asked for."""

    began: int
    ended: int


def nobody() -> IDs:
    """Return no OpenIDs."""
    return np.empty(0, "S28")


def nothing_known() -> FollowerFacts:
    """Return nobody, of whom nothing is known."""
    return FollowerFacts(ids=nobody(), facts=np.empty(0, FACTS))


def nobody_seen() -> Seen:
    """Return what no page lists."""
    return Seen(ids=nobody(), at=np.empty(0, np.uint32))


def merged(
    known: FollowerFacts, changes: Changes, *, seen: Seen, whole: Pass | None = None
) -> Merged:
    """Return what is known after pages and pushes.

    *whole*: the pages are all of WeChat's list, so who is on none and has not subscribed since it
    began has left. From an incomplete one nobody is concluded to have left.
    """
    ids, (old, pushed, listed) = _merged_openids(known.ids, changes.ids, seen.ids)
    facts = np.zeros(len(ids), FACTS)
    facts[old] = known.facts
    before = facts["flags"] & FOLLOWS > 0
    at, followed, left = (np.zeros(len(ids), np.uint32) for _ in range(3))
    # The last page that lists somebody is written last.
    at[listed] = seen.at
    followed[pushed], left[pushed] = changes.followed, changes.left
    _list(facts, at)
    _subscribe(facts, followed, left)
    _leave(facts, followed, left)
    concluded = np.zeros(len(ids), bool) if whole is None else _conclude(facts, at, whole)
    now = facts["flags"] & FOLLOWS > 0
    return Merged(
        ids=ids,
        facts=facts,
        listed=int(np.count_nonzero(at)),
        concluded=ids[concluded],
        joined=int(np.count_nonzero(now & ~before)),
        lost=int(np.count_nonzero(before & ~now)),
    )


def undated(known: FollowerFacts) -> Hits:
    """Return who of them follows, and nobody said since when."""
    return np.asarray(known.follow & (known.facts["flags"] & SINCE_SAID == 0), bool)


def dated(known: FollowerFacts, since: Seconds) -> Facts:
    """Return what is known once WeChat said since when some of the undated follow; 0: it did not.

    What a push said meanwhile stands: it is as exact, and may be newer.
    """
    facts = known.facts.copy()
    said = undated(known) & (since > 0)
    facts["since"][said] = since[said]
    # They left and came back unseen, so whatever confirmed them before is older.
    facts["as_of"][said] = np.maximum(facts["as_of"], since)[said]
    facts["flags"][said] |= SINCE_SAID
    return facts


def _merged_openids(*lists: IDs) -> tuple[IDs, list[npt.NDArray[np.intp]]]:
    """Return the OpenIDs of some lists sorted and each once, and the positions of each list."""
    ids = np.concatenate(lists)
    ordered = order(ids)
    ids = ids[ordered]
    first = firsts(ids)
    places = np.empty(len(ids), np.intp)
    places[ordered] = np.cumsum(first) - 1
    return ids[first], np.split(places, np.cumsum([len(one) for one in lists])[:-1])


def _list(facts: Facts, at: Seconds) -> None:
    """Add the people on a page."""
    there = facts["flags"] & FOLLOWS > 0
    newer = at > facts["as_of"]
    comes = newer & ~there
    facts["since"][comes] = at[comes]
    facts["flags"][comes] = FOLLOWS
    facts["as_of"][newer] = at[newer]


def _subscribe(facts: Facts, followed: Seconds, left: Seconds) -> None:
    """Add subscriptions; an old one still shows since when somebody follows."""
    said, there = followed > 0, facts["flags"] & FOLLOWS > 0
    again = said & np.where(there, followed > facts["as_of"], followed >= facts["as_of"])
    older = said & there & ~again & (left <= followed)
    older &= (facts["flags"] & SINCE_SAID == 0) & (followed <= facts["since"])
    facts["since"][again | older] = followed[again | older]
    facts["as_of"][again] = followed[again]
    facts["flags"][again | older] = FOLLOWS | SINCE_SAID


def _leave(facts: Facts, followed: Seconds, left: Seconds) -> None:
    """Add departures."""
    gone = (left > 0) & (left >= facts["as_of"]) & (left > followed)
    facts["as_of"][gone] = left[gone]
    facts["flags"][gone] = facts["flags"][gone] & SINCE_SAID | LEFT_SAID


def _conclude(facts: Facts, at: Seconds, whole: Pass) -> Hits:
    """Mark people missing from a whole pass as unsubscribed, and return them."""
    follow = facts["flags"] & FOLLOWS > 0
    new = (facts["flags"] & SINCE_SAID > 0) & (facts["since"] >= whole.began - LISTED_AFTER_S)
    gone = follow & (at == 0) & (facts["as_of"] <= whole.began) & ~new
    facts["as_of"][gone] = whole.ended
    facts["flags"][gone] &= SINCE_SAID
    return np.asarray(gone, bool)
