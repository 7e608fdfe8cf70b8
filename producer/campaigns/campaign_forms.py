"""Members by which a campaign is said; what they mean is for :mod:`.said_plans`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from broadcast.frozen import frozen
from producer.request.shape import AudienceShape, SendRequest


class CampaignMembers(SendRequest):
    """What is said of a campaign; what is left out of a change stays as it is."""

    audience: Annotated[AudienceShape, Field(description="no list of OpenIDs")] = None  # type: ignore[assignment]
    content: dict[str, Any] = Field(
        default_factory=dict, description="as of a broadcast; its text may have variables"
    )
    draft: Annotated[
        str | None, Field(description="the title of the draft that each run finds")
    ] = None
    cron: Annotated[str | None, Field(description="minute, hour, day, month, weekday")] = None
    at: Annotated[
        str | None, Field(description="once; ISO 8601, without an offset in `timezone`")
    ] = None
    timezone: str | None = None
    first: Annotated[str | None, Field(alias="from", description="a day, or none")] = None
    last: Annotated[str | None, Field(alias="until", description="a day, or none")] = None
    exceptions: Annotated[
        list[str] | None, Field(alias="except", description="DAY or DAY..DAY")
    ] = None
    missed: Annotated[str | None, Field(description="ask, late or skip")] = None
    overlap: Annotated[str | None, Field(description="skip or queue")] = None
    size_brake: Annotated[str | None, Field(description="30%; 0: never")] = None


class NewCampaign(CampaignMembers):
    """A campaign to be added."""

    name: str
    audience: Annotated[AudienceShape, Field(description="no list of OpenIDs")]


class CampaignChange(CampaignMembers):
    """A change of a campaign."""

    version: Annotated[
        int | None, Field(description="refused where the campaign has another one")
    ] = None


@frozen
class ByPerson:
    """What a person says beside the members: files, which each run reads anew.

    Days and times are read as people write them then, and what they are asked is not refused.
    """

    audience_file: str | None = None
    #: None: nothing was said of whom to leave out.
    exclude_files: Sequence[str] | None = None
    article_file: str | None = None
