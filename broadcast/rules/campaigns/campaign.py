"""A campaign: what a person says of it, and how it stands."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from pydantic import TypeAdapter

from broadcast.frozen import frozen
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import CampaignState, Policy


@frozen
class CampaignPlan:
    """What a person says of a campaign."""

    account: str
    schedule: Schedule
    policy: Policy
    #: JSON of the request of a run, with its variables (``producer.campaigns.template``).
    template: str

    @property
    def stored(self) -> str:
        """The plan as JSON."""
        return _plan().dump_json(self).decode()


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
