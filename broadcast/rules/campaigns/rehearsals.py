"""Rehearsals: when a run is looked at ahead of its time, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.campaigns.campaign import Campaign


class Stage(StrEnum):
    """How long before its due time a run is rehearsed."""

    DAY = "24h"
    HOUR = "1h"


#: The earliest that a run is rehearsed.
FIRST: Final = timedelta(hours=24)
_LAST: Final = timedelta(hours=1)
#: A hiccup passes in less.
_AGAIN_FOR: Final = timedelta(minutes=30)
#: Nobody could put anything right any more.
_TOO_LATE: Final = timedelta(minutes=1)
#: Runs of a campaign that are looked at, the next ones: some have one a minute.
_AHEAD: Final = 50
#: Workers note once a minute that they are at work.
_AT_WORK: Final = timedelta(minutes=5)
#: Followers come and go: what was copied before says little of them.
_FRESH: Final = timedelta(days=7)
_ASKED: Final = "notice.administrator_asked"
_LIMIT: Final = ("notice.messages.month", "notice.messages.day")
#: Notices of a plan that say that a run would not be what was meant. How many lists an account
#: sent to in a month says nothing of one of them.
_TELLING: Final = (
    "notice.draft.unread",
    "notice.draft.refused",
    "notice.tag.empty",
    _ASKED,
    *_LIMIT,
)
#: Of the findings, those with which a run is sent all the same.
_NOTES: Final = ("notice.draft.", "rehearsal.stale", _ASKED)


@frozen
class Rehearsal:
    """One rehearsal of a run; without findings nothing is in its way."""

    campaign_id: str
    due_at: datetime
    stage: Stage
    #: Of the campaign then.
    version: int
    rehearsed_at: datetime
    findings: Sequence[Message]


@frozen
class Run:
    """A run whose rehearsal has come."""

    campaign: Campaign
    due_at: datetime
    stage: Stage
    #: Without an answer it is rehearsed once more; no finding is stored.
    may_wait: bool

    @property
    def origin(self) -> str:
        """The campaign, of which one rehearsal is under way at a time."""
        return self.campaign.id


def runs_ahead(campaign: Campaign, now: datetime) -> Iterator[Run]:
    """Yield the runs of a campaign whose rehearsal has come, the next first."""
    # What is wrong with its times is said where they are decided.
    with suppress(InputError):
        for due in islice(campaign.plan.schedule.after(now + _TOO_LATE), _AHEAD):
            if due - now > FIRST:
                return
            stage, ahead = (Stage.HOUR, _LAST) if due - now <= _LAST else (Stage.DAY, FIRST)
            came = max(due - ahead, campaign.edited_at)
            may_wait = now - came < min(_AGAIN_FOR, (due - came) / 2)
            yield Run(campaign=campaign, due_at=due, stage=stage, may_wait=may_wait)


def is_telling(notice: Message) -> bool:
    """Return whether a notice of a plan is a finding."""
    return notice.id.startswith(_TELLING)


def is_limit(notice: Message) -> bool:
    """Return whether a finding is a limit of WeChat's for the day or the month."""
    return notice.id.startswith(_LIMIT)


def in_the_way(findings: Iterable[Message]) -> bool:
    """Return whether a run would not go as it is meant; some findings are notes beside it."""
    return not all(one.id.startswith(_NOTES) for one in findings)


def is_to_be_known(findings: Iterable[Message]) -> bool:
    """Return whether there is more to know than that the administrator will be asked."""
    return any(one.id != _ASKED for one in findings)


def nobody_at_work(seen_at: datetime | None, now: datetime) -> bool:
    """Return whether no worker looked at the ledger of late; None: none ever did."""
    return seen_at is None or now - seen_at > _AT_WORK


def fresh_from(due: datetime) -> datetime:
    """Return from when on a copy of the followers is no older than a run may use."""
    return due - _FRESH
