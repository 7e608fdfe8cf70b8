"""Members by which a campaign is said; what they mean is for :mod:`.said_plans`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from broadcast.frozen import frozen
from producer.request.shape import AudienceShape, SendRequest


class CampaignMembers(SendRequest):
    """What is said of a campaign; what is left out of a change stays as it is."""

    audience: AudienceShape = Field(None, description="no list of OpenIDs")  # type: ignore[assignment]
    content: dict[str, Any] = Field(
        default_factory=dict, description="as of a broadcast; its text may have variables"
    )
    draft: str | None = Field(None, description="the title of the draft that each run finds")
    cron: str | None = Field(None, description="minute, hour, day, month, weekday")
    at: str | None = Field(None, description="once; ISO 8601, without an offset in `timezone`")
    timezone: str | None = None
    first: str | None = Field(None, alias="from", description="a day, or none")
    last: str | None = Field(None, alias="until", description="a day, or none")
    exceptions: list[str] | None = Field(None, alias="except", description="DAY or DAY..DAY")
    missed: str | None = Field(None, description="ask, late or skip")
    overlap: str | None = Field(None, description="skip or queue")
    size_brake: str | None = Field(None, description="30%; 0: never")


class NewCampaign(CampaignMembers):
    """A campaign to be added."""

    name: str
    audience: AudienceShape = Field(description="no list of OpenIDs")


class CampaignChange(CampaignMembers):
    """A change of a campaign."""

    version: int | None = Field(None, description="refused where the campaign has another one")


@frozen
class ByPerson:
    """What a person says beside the members: files, which each run reads anew.

    Days and times are read as people write them then, and what they are asked is not refused.
    """

    audience_file: str | None = None
    #: None: nothing was said of whom to leave out.
    exclude_files: Sequence[str] | None = None
    article_file: str | None = None
