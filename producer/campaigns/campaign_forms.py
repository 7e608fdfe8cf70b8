"""Campaigns as programs ask for them: one body becomes a plan, or one error names what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pydantic import Field

from broadcast.errors import InputError, RequestError
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.launches import Policy
from models.ledger.rows.transaction import present
from producer.campaigns import said_plans
from producer.campaigns import template as templates
from producer.campaigns.template import Template
from producer.request.door import SubmitService
from producer.request.meaning import checked_late_by, refuse_what_is_not_so
from producer.request.shape import AudienceShape, ListToCome, OpenIDList, SendRequest

#: Of the request of each run.
_OF_A_RUN: Final = frozenset(SendRequest.model_fields) - {"account", "at", "late_by"}
#: Another audience has its own.
_NARROWING: Final = frozenset({
    "exclude", "only_current", "sample", "with_tag", "ignore_suppression",
})  # fmt: skip


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


def plan_of(
    said: CampaignMembers,
    account: Account,
    old: CampaignPlan | None,
    *,
    door: SubmitService,
    who: str,
) -> CampaignPlan:
    """Return the plan, checked; what is not said is as in *old*.

    Raises InputError, also for what the command would ask.
    """
    now, settings = present(door.engine), door.settings
    if said.account not in {None, account.name}:
        raise RequestError("error.campaign.account", field="account", account=account.name)
    late_by = None if said.late_by is None else checked_late_by(said.late_by)
    schedule, policy, template = None, Policy(late_by=settings.late_by), None
    if old is not None:
        schedule, policy, template = old.schedule, old.policy, templates.load(old.template)
    plan = CampaignPlan(
        account=account.name,
        schedule=said_plans.schedule_of(said, schedule, now=now, by_person=False),
        policy=said_plans.policy_of(said, policy, late_by=late_by),
        template=_template(said, account, template).stored,
    )  # fmt: skip
    found = said_plans.check(plan, account, settings=settings, who=who, now=now)
    refuse_what_is_not_so(found, settings=settings, engine=door.engine)
    if next(plan.schedule.after(now), now) - now > due_times.FAR:
        raise InputError("error.campaign.far")
    return plan


def _template(said: CampaignMembers, account: Account, old: Template | None) -> Template:
    found = old or Template(request={"account": account.name})
    given = said.model_dump(mode="json", include=set(_OF_A_RUN & said.model_fields_set))
    if "audience" in given:
        if isinstance(said.audience, OpenIDList | ListToCome):
            raise RequestError("error.campaign.list", field="audience")
        kept = {name: one for name, one in found.request.items() if name not in _NARROWING}
        found = replace(found, request=kept, audience_file=None, exclude_files=())
    has_content = {"content", "draft"} & said.model_fields_set
    if old is None and not has_content:
        raise RequestError("error.request.missing", field="content")
    if has_content:
        given["content"] = said.content
        found = replace(found, draft_title=said.draft, article_file=None)
    return replace(found, request={**found.request, **given})
