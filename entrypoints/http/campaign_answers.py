"""The objects of the answers on campaigns, for the OpenAPI document; see docs/json.md."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from broadcast.rules.campaigns.launches import CampaignState, LaunchState
from broadcast.rules.states import BroadcastState
from entrypoints.http.answers import Answer, Count, Delivered, Notice, RecipientFigures


class LaunchReason(Answer):
    """Reason why a run is held or was skipped."""

    code: str
    text: str


class CampaignRun(Answer):
    """What became of a due time of a campaign, or of a run that was asked for."""

    due_at: str
    state: LaunchState
    reason: LaunchReason | None
    version: Annotated[int, Field(description="of the campaign, when its request was fixed")]
    size: Count
    broadcast: Annotated[str | None, Field(description="its id")]
    broadcast_state: BroadcastState | None
    recipients: RecipientFigures | None
    delivered: Delivered | None
    released_by: str | None
    decided_at: str


class CampaignRuns(Answer):
    """Runs of a campaign, the newest first."""

    runs: list[CampaignRun]


class Campaign(Answer):
    """A campaign, and its next due times."""

    name: str
    account: str
    state: CampaignState
    version: int
    cron: str | None
    at: str | None
    timezone: str
    first: Annotated[str | None, Field(alias="from")]
    until: str | None
    exceptions: Annotated[list[str], Field(alias="except")]
    missed: str
    late_by_s: int
    overlap: str
    size_brake: int
    request: Annotated[dict[str, Any], Field(description="of each run, with its variables")]
    audience_file: str | None
    draft_title: str | None
    article_file: str | None
    exclude_files: Annotated[list[str], Field(description="people who are left out")]
    next: list[str]
    created_at: str
    created_by: str
    edited_at: str
    edited_by: str


class StoredCampaign(Campaign):
    """A campaign as it was stored."""

    notices: Annotated[
        list[Notice],
        Field(
            description="what is doubtful in the content, what the account's campaigns plan beyond "
            "WeChat's limits, and until when WeChat waits for the administrator"
        ),
    ]


class CampaignInAList(Campaign):
    """A campaign with its runs that are held."""

    held: list[CampaignRun]


class Rehearsal(Answer):
    """What would keep the next run of a campaign from going as it is meant."""

    due_at: str
    in_the_way: Annotated[
        bool, Field(description="false: the run goes, with what is to be known of it")
    ]
    findings: list[Notice]


class CampaignList(Answer):
    """Campaigns, by their names."""

    campaigns: list[CampaignInAList]
