"""Launches: what becomes of a due time. Each has one row: launched once, skipped or held.

::

    (due) ──► begun ──► launched
          ├─► queued ─► begun        the last run came to rest
          ├─► held ───► begun        a person released it
          │         └─► skipped      its campaign was removed
          └─► skipped
    launched ◄─► held                WeChat's administrator did not confirm it, or did after all

A row that is *begun* has its request, and its broadcast is not there yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from broadcast.data_files import rows
from broadcast.errors import IllegalMoveError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.gates.cooling_off import CoolingOff
from broadcast.rules.gates.lateness import LATE_BY
from broadcast.rules.states import moves

#: Beat and a worker need seconds: a due time is missed when no worker had it for this long.
MISSED_AFTER: Final = timedelta(seconds=60)
#: How long a begun launch may wait in line for the threads of the workers that are there.
IN_LINE_FOR: Final = LATE_BY
#: Fewer people vary by chance.
BRAKED_FROM: Final = 100


class CampaignState(StrEnum):
    """State of a campaign."""

    ENABLED = "enabled"
    DISABLED = "disabled"  #: nothing is due until it is enabled
    REMOVED = "removed"  #: kept for its runs; its name is free


#: State of a launch.
LaunchState = StrEnum(
    "LaunchState",
    [
        "BEGUN",
        "QUEUED",  #: waits for the end of the last run
        "LAUNCHED",  #: its broadcast is there
        "HELD",  #: a person must act
        "SKIPPED",
    ],
)


class Missed(StrEnum):
    """What becomes of a due time at which nothing was launched."""

    ASK = "ask"  #: it is held
    LATE = "late"  #: it is launched late, and held beyond ``late_by``
    SKIP = "skip"  #: it is skipped


class Overlap(StrEnum):
    """What becomes of a due time at which the last run is not at rest."""

    SKIP = "skip"
    QUEUE = "queue"


#: Why a launch is held or skipped; a refusal of its request has words of its own.
Why = StrEnum(
    "Why",
    [
        "MISSED",
        "TOO_LATE",
        "SUPERSEDED",  #: a newer time was due as well
        "OVERLAP",
        "EDITED",  #: the schedule was changed before it was launched
        "DISABLED",
        "REMOVED",
        "UNCONFIRMED",  #: the account's administrator did not confirm it: nobody got it
        "RESTORED",  #: the database was restored or copied since
    ],
)


L = LaunchState

LAUNCH_MOVES: Final = moves(LaunchState, rows(__file__, "launch_moves.csv"))


def check_move(old: LaunchState, new: LaunchState) -> None:
    """Raise IllegalMoveError where the table does not lead from *old* to *new*."""
    if new not in LAUNCH_MOVES.get(old, frozenset()):
        raise IllegalMoveError(f"launch: {old} -> {new}")


@frozen
class Policy:
    """What a campaign wants where a run cannot be as planned."""

    missed: Missed = Missed.ASK
    late_by: timedelta = LATE_BY
    overlap: Overlap = Overlap.SKIP
    #: Per cent by which the audience may differ from the last run's; 0: by any.
    size_brake: int = 30


@frozen
class DueTime:
    """One due time, and what stands beside it now."""

    due: datetime
    now: datetime
    #: No other one is due after it.
    newest: bool = True
    #: An earlier run is not at rest.
    last_is_open: bool = False
    #: When something else than its time let it go: a person, or the end of the last run.
    released_at: datetime | None = None
    #: A person did: what is missed then is held, whatever the policy is.
    by_person: bool = False
    #: When a person last answered that the database was restored, or is a copy: what was due before
    #: may have been launched by the other one.
    answered_at: datetime | None = None
    #: When a worker decided it, or had it last; None: none did, or it was tried in vain.
    had_at: datetime | None = None


@frozen
class Verdict:
    """What becomes of a due time."""

    state: LaunchState
    why: Why | None = None
    #: The words of a refusal.
    reason: Message | None = None

    @property
    def is_news(self) -> bool:
        """Whether people are to hear of it: it is held, or skipped though nobody asked for that."""
        return self.state is LaunchState.HELD or self.why in {Why.MISSED, Why.OVERLAP}


def decide(one: DueTime, policy: Policy) -> Verdict:
    """Return what becomes of a due time now, before its broadcast is there.

    The same for one that is *begun* and still has none.
    """
    since = one.released_at or one.due
    # That the last run ended does not say that this one was not launched before the restore.
    wanted_at = since if one.by_person else one.due
    if one.answered_at is not None and wanted_at <= one.answered_at:
        return Verdict(state=L.HELD, why=Why.RESTORED)
    if one.now - max(since, one.had_at or since) > MISSED_AFTER:
        missed = _of_missed(one, policy, late=one.now - since)
        if missed is not None:
            return missed
    if one.last_is_open:
        queues = policy.overlap is Overlap.QUEUE
        return Verdict(state=L.QUEUED) if queues else Verdict(state=L.SKIPPED, why=Why.OVERLAP)
    return Verdict(state=L.BEGUN)


def _of_missed(one: DueTime, policy: Policy, *, late: timedelta) -> Verdict | None:
    """Return what becomes of a missed due time; None: it is launched late."""
    if one.by_person or policy.missed is Missed.ASK:
        return Verdict(state=L.HELD, why=Why.MISSED)
    if policy.missed is Missed.SKIP:
        return Verdict(state=L.SKIPPED, why=Why.MISSED)
    if late > policy.late_by:
        return Verdict(state=L.HELD, why=Why.TOO_LATE)
    return None if one.newest else Verdict(state=L.SKIPPED, why=Why.SUPERSEDED)


@frozen
class Agreed:
    """Facts that a person released a run by: its worker reads the list later, and elsewhere."""

    #: People in the audience that was shown; None: WeChat alone knows.
    size: int | None
    #: The list seemed to be another account's, and is meant.
    list_is_meant: bool
    cooling_off: CoolingOff

    def kept_back(self, people: int | None) -> timedelta:
        """Return for how long a run to *people* can be called off; None: WeChat alone knows."""
        return max(map(self.cooling_off.for_people, (self.size, people)))


def brakes(policy: Policy, *, last: int | None, size: int | None) -> bool:
    """Return whether an audience differs too much from that of the *last* run, or from one shown.

    None: it is not known, or there was none.
    """
    if not policy.size_brake or not last or size is None or max(last, size) <= BRAKED_FROM:
        return False
    return abs(size - last) * 100 > policy.size_brake * last
