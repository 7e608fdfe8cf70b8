"""A campaign: what a person says of it, and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Final, Self

from pydantic import TypeAdapter

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import CampaignState, LaunchState, Policy, Why
from broadcast.rules.campaigns.template import NOTHING, Template

_SHOWN: Final = 5


@frozen
class CampaignPlan:
    """What a person says of a campaign."""

    account: str
    schedule: Schedule
    policy: Policy
    #: With its variables.
    template: Template

    @property
    def stored(self) -> str:
        """The plan as JSON."""
        return _plan().dump_json(self).decode()

    def rendered(self, due: datetime) -> Template:
        """Return the template of the run of a due time. Raises InputError."""
        return self.template.rendered(due, self.schedule.zone)

    def next_times(self, after: datetime) -> Sequence[datetime]:
        """Return the next due times after a moment, as many as are shown."""
        return list(islice(self.schedule.after(after), _SHOWN))


@cache
def _plan() -> TypeAdapter[CampaignPlan]:
    return TypeAdapter(CampaignPlan)


def load(stored: str) -> CampaignPlan:
    """Return the plan of its JSON."""
    return _plan().validate_json(stored)


@frozen
class Campaign:
    """A campaign as it is stored."""

    id: str
    name: str
    state: CampaignState
    #: Grows with every edit.
    version: int
    plan: CampaignPlan
    #: Up to when each due time has its launch.
    decided_until: datetime
    #: The first due time after that; None: there is none, or it is not enabled.
    next_due_at: datetime | None
    created_at: datetime
    created_by: str
    edited_at: datetime
    edited_by: str

    def next_times(self) -> Sequence[datetime]:
        """Return its next due times; of one that is not enabled, none.

        Where they cannot be worked out here, the one that is stored.
        """
        if self.next_due_at is None:
            return ()
        try:
            return self.plan.next_times(self.decided_until)
        except InputError:
            return (self.next_due_at,)

    def problem(self) -> Message | None:
        """Return why its due times cannot be worked out here, if they cannot."""
        try:
            next(self.plan.schedule.after(self.decided_until), self.plan.schedule.tzinfo)
        except InputError as error:
            return error.message
        return None


@frozen
class Launch:
    """What became of a due time, or of a run that a person asked for."""

    id: int
    campaign_id: str
    account: str
    due_at: datetime
    state: LaunchState
    #: Why it is held or was skipped; a refusal of its request has a reason alone.
    why: Why | None = None
    reason: Message | None = None
    #: The campaign's when the template was rendered and frozen.
    version: int
    template: Template = NOTHING
    #: Its broadcast's.
    key: str
    broadcast_id: str | None = None
    #: People in its audience; None: not known before it was sent.
    size: int | None = None
    #: When a person or the end of the last run let it go, and the person.
    released_at: datetime | None = None
    released_by: str | None = None
    decided_at: datetime

    @classmethod
    def to_come(cls, campaign: Campaign, due: datetime, *, key: str) -> Self:
        """Return a launch that is not stored yet. Raises InputError."""
        return cls(
            id=0,
            campaign_id=campaign.id,
            account=campaign.plan.account,
            due_at=due,
            state=LaunchState.BEGUN,
            version=campaign.version,
            key=key,
            decided_at=due,
            template=campaign.plan.rendered(due),
        )
