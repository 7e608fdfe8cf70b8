"""What follows from a look at the draft of a broadcast: calls go on, wait, or need a person.

Only what was read once can be compared. A media_id that WeChat never showed as a draft may be an
older material, and mass/send takes it all the same: it goes out unwatched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from broadcast import day, unanswered
from broadcast.call.result import NoAnswer
from broadcast.drafts.mark import Marks
from broadcast.frozen import frozen
from broadcast.reasons import Reason
from broadcast.states import BatchState

#: A look that is no older is good for the first call.
FRESH: Final = timedelta(seconds=5)
#: The same for later calls: whatever they waited for, an edit meanwhile is seen.
LASTS: Final = timedelta(minutes=1)

#: WeChat took the job, or may have: its draft may have left the draft box for that.
TAKEN: Final = frozenset(
    {BatchState.ACCEPTED, BatchState.FINISHED, BatchState.UNKNOWN, BatchState.IN_DOUBT}
)


@dataclass(frozen=True, slots=True)
class Gone:
    """WeChat has no such draft (any more)."""


Look: TypeAlias = Marks | Gone | NoAnswer


@frozen
class Known:
    """What is known of a broadcast's draft before a look."""

    #: What it said when it was submitted, or when a person let it go on; None: not to be compared.
    approved: Marks | None
    #: What it said last; None: it could not be read.
    seen: Marks | None
    #: Looks in a row without an answer.
    tries: int
    #: WeChat accepted a batch of it, which may take the draft out of the draft box.
    accepted: bool


@frozen
class Ruling:
    """What follows from a look."""

    known: Known
    #: Why no call is made; None: calls go on.
    reason: Reason | None = None
    #: It passes, and is looked at again: else a person decides.
    waits: bool = False


def judge(known: Known, look: Look) -> Ruling:
    """Return what follows from *look*."""
    if isinstance(look, NoAnswer):
        return _unanswered(known, look)
    if isinstance(look, Gone):
        return _gone(known)
    after = _after(known, approved=known.approved or look, seen=look)
    if after.approved == look:
        return Ruling(known=after)
    return Ruling(known=after, reason=Reason.DRAFT_EDITED)


def _gone(known: Known) -> Ruling:
    if known.approved is None or known.accepted:
        return Ruling(known=_after(known, approved=known.approved, seen=known.seen))
    # Nothing is seen: whoever lets it go on takes the media_id as it is.
    after = _after(known, approved=known.approved, seen=None)
    return Ruling(known=after, reason=Reason.DRAFT_GONE)


def _unanswered(known: Known, why: NoAnswer) -> Ruling:
    tries = known.tries + 1
    after = _after(known, approved=known.approved, seen=known.seen, tries=tries)
    if unanswered.is_asked_again(why.outcome, tries=tries):
        return Ruling(known=after, reason=Reason.DRAFT_UNREAD, waits=True)
    if known.approved is None:
        return Ruling(known=after)
    unseen = _after(known, approved=known.approved, seen=None, tries=tries)
    return Ruling(known=unseen, reason=Reason.DRAFT_UNREAD)


def _after(known: Known, *, approved: Marks | None, seen: Marks | None, tries: int = 0) -> Known:
    return Known(approved=approved, seen=seen, tries=tries, accepted=known.accepted)


@frozen
class Looked:
    """When a draft was looked at, and what happened since."""

    #: The last look that ruled; None: there was none.
    at: datetime | None
    #: When the last gate opened that forbade its calls: its own, its account's, or a path's.
    opened_at: datetime | None
    #: A call of it was made.
    called: bool


def is_due(looked: Looked, now: datetime) -> bool:
    """Return whether a call must not be made before another look.

    One is due before the first call, on each new day, after whatever stopped the broadcast, and
    when the last one is old: what a call waits for is not always a gate.
    """
    if looked.at is None or looked.at < day.start(now):
        return True
    if looked.opened_at is not None and looked.at <= looked.opened_at:
        return True
    return now - looked.at > (LASTS if looked.called else FRESH)
