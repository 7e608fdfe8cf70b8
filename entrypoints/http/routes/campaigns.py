"""Campaigns: added, looked at, changed, stopped, run and released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from broadcast import names
from broadcast.errors import InputError, UnknownIdError
from broadcast.message import Message
from broadcast.rules.api_keys import Scope
from broadcast.rules.campaigns import rehearsals
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from broadcast.rules.campaigns.template import Template
from broadcast.views.campaigns import campaign_object, launch_object, listed
from broadcast.views.objects import utc
from broadcast.views.program_words import notices
from entrypoints.http import answers, bodies, campaign_answers, json_answers, openapi, submitting
from entrypoints.http.caller import Caller, Controller, Reader, Submitter
from entrypoints.http.lookups import the_account
from entrypoints.http.openapi import Routes
from entrypoints.http.problems import KEY, ProblemError
from models.ledger.campaigns import (
    campaign_edits,
    campaign_rows,
    counted_sends,
    launch_rows,
)
from producer.campaigns import asked_runs, rehearsing, said_plans
from producer.campaigns.campaign_forms import (
    CampaignChange,
    CampaignMembers,
    NewCampaign,
)
from producer.request import shape
from producer.request.shape import LONGEST_ACCOUNT

router = Routes(prefix="/v1", tags=["campaigns"])

#: Runs that are shown at most.
_MOST_RUNS: Final = 1_000


class RunOfCampaign(bodies.Body):
    """A run of now, or the release of a held one."""

    due: Annotated[
        str | None, Field(description="releases the held run of this time (ISO 8601)")
    ] = None
    edited: Annotated[bool, Field(description="with `due`: with the request as it is now")] = False
    again: Annotated[bool, Field(description="the same went out within 24 hours; once more")] = (
        False
    )
    maybe_sent: Annotated[
        bool, Field(description="with `due`: though it may have been sent before a restore")
    ] = False


@router.taking(
    "/campaigns",
    campaign_answers.StoredCampaign,
    409,
    operation="add_campaign",
    summary="Add a campaign",
    body=openapi.takes("new_campaign", form=NewCampaign),
    status=201,
)
def add(caller: Submitter, members: bodies.Members) -> Response:
    """Store a campaign, enabled. What the command line would ask a person is refused."""
    said = shape.parse_as(NewCampaign, members)
    said_plans.check_name(said.name)
    account = caller.account(said.account).name
    plan, doubts = _plan(caller, said, account)
    made = campaign_edits.add(caller.engine, said.name, plan, who=caller.who)
    where = {"Location": f"/v1/campaigns/{quote(said.name)}"}
    return json_answers.as_json(_stored(caller, made, doubts), status=201, headers=where)


def _plan(
    caller: Caller, said: CampaignMembers, account: str, *, old: CampaignPlan | None = None
) -> tuple[CampaignPlan, Sequence[Message]]:
    here = caller.parts
    try:
        plan = said_plans.plan_of(
            said, here.settings.account(account), old, settings=here.settings, engine=here.engine
        )
    except InputError as error:
        raise submitting.without_others(caller, error) from None
    _check_may_send(caller, plan.template)
    return plan, said_plans.doubts_of(plan, settings=here.settings, engine=here.engine)


def _check_may_send(caller: Caller, template: Template) -> None:
    if template.to_all:
        caller.needs(Scope.TO_ALL)


def _stored(caller: Caller, campaign: Campaign, doubts: Sequence[Message]) -> dict[str, Any]:
    account = caller.account(campaign.plan.account)
    found = [*doubts, *counted_sends.excesses(caller.engine, account)]
    if campaign.next_due_at is not None and campaign.plan.template.to_all:
        found += account.asked(campaign.next_due_at)
    return campaign_object(campaign) | {"notices": notices(found, caller.texts, key=KEY)}


@router.reading(
    "/campaigns",
    campaign_answers.CampaignList,
    operation="list_campaigns",
    summary="List campaigns",
)
def listing(
    caller: Reader, *, account: Annotated[str | None, Query(max_length=LONGEST_ACCOUNT)] = None
) -> dict[str, Any]:
    """Return every campaign by its name, with its runs that are held."""
    the_account(caller, account, field="account")
    engine = caller.engine
    found = [
        one
        for one in campaign_rows.every(engine)
        if caller.key.may_use(one.plan.account) and account in {None, one.plan.account}
    ]
    held = launch_rows.waiting_for_a_person(engine, [one.id for one in found])
    shown = list(zip(held, _objects_of(caller, held), strict=True))
    return {"campaigns": listed(found, shown)}


def _objects_of(caller: Caller, launches: Sequence[Launch]) -> list[dict[str, Any]]:
    def shown(one: Launch) -> Launch:
        return replace(one, reason=one.reason and submitting.for_key(caller, one.reason))

    each = asked_runs.with_reports(caller.engine, launches)
    return [launch_object(shown(one), report, caller.texts) for one, report in each]


@router.reading(
    "/campaigns/{name}",
    campaign_answers.Campaign,
    operation="get_campaign",
    summary="Look at a campaign",
)
def show(name: str, caller: Reader) -> dict[str, Any]:
    """Return a campaign with its next five due times."""
    return campaign_object(_theirs(caller, name))


def _theirs(caller: Caller, name: str) -> Campaign:
    """Return a campaign. Raises ProblemError where the key is not good for its account, too."""
    try:
        found = campaign_rows.named(caller.engine, name) if said_plans.is_name(name) else None
    except UnknownIdError:
        found = None
    if found is None or not caller.key.may_use(found.plan.account):
        raise ProblemError("error.api.no_campaign")
    return found


@router.reading(
    "/campaigns/{name}/runs",
    campaign_answers.CampaignRuns,
    operation="campaign_runs",
    summary="List the runs of a campaign",
)
def runs(
    name: str, caller: Reader, *, limit: Annotated[int, Query(ge=1, le=_MOST_RUNS)] = 50
) -> dict[str, Any]:
    """Return the newest runs of a campaign, the last first, with the sums of their broadcasts."""
    campaign_id = _theirs(caller, name).id
    found = launch_rows.history(caller.engine, campaign_id, most=limit)
    return {"runs": _objects_of(caller, found)}


@router.taking(
    "/campaigns/{name}",
    campaign_answers.StoredCampaign,
    409,
    operation="edit_campaign",
    summary="Change a campaign",
    body=openapi.takes("campaign_change", form=CampaignChange),
    method="PATCH",
)
def edit(caller: Submitter, name: str, members: bodies.Members) -> dict[str, Any]:
    """Change what the body says; a run that was begun goes on as it was."""
    said = shape.parse_as(CampaignChange, members)
    old = _theirs(caller, name)
    plan, doubts = _plan(caller, said, old.plan.account, old=old.plan)
    known = old if said.version is None else replace(old, version=said.version)
    if (plan, known.version) == (old.plan, old.version):
        return _stored(caller, old, doubts)
    edited = campaign_edits.edit(caller.engine, known, plan, who=caller.who)
    return _stored(caller, edited, doubts)


def _switch(caller: Caller, name: str, act: Callable[..., Campaign]) -> dict[str, Any]:
    return campaign_object(act(caller.engine, _theirs(caller, name).name, who=caller.who))


@router.taking(
    "/campaigns/{name}/enable",
    campaign_answers.Campaign,
    operation="enable_campaign",
    summary="Enable a campaign from now on",
)
def enable(caller: Controller, name: str, _: bodies.Empty) -> dict[str, Any]:
    """Enable a campaign from now on."""
    _check_may_send(caller, _theirs(caller, name).plan.template)
    return _switch(caller, name, campaign_edits.enable)


@router.taking(
    "/campaigns/{name}/disable",
    campaign_answers.Campaign,
    operation="disable_campaign",
    summary="Start no new run of a campaign until it is enabled",
)
def disable(caller: Controller, name: str, _: bodies.Empty) -> dict[str, Any]:
    """Start no new run of a campaign until it is enabled."""
    return _switch(caller, name, campaign_edits.disable)


@router.delete(
    "/campaigns/{name}",
    response_model=campaign_answers.Campaign,
    operation_id="remove_campaign",
    summary="Remove a campaign",
    responses=openapi.of_a_reading(),
)
@json_answers.in_thread
def remove(name: str, caller: Controller) -> dict[str, Any]:
    """Remove a campaign; its runs stay in the ledger, and its name is free."""
    return _switch(caller, name, campaign_edits.remove)


@router.taking(
    "/campaigns/{name}/run",
    campaign_answers.CampaignRun,
    409,
    operation="run_campaign",
    summary="Run a campaign now, or release a held run",
    body=openapi.takes("run_of_campaign", key=False, form=RunOfCampaign),
)
def run(
    request: Request,
    name: str,
    *,
    caller: Submitter,
    said: Annotated[RunOfCampaign, Depends(bodies.body_of(RunOfCampaign, optional=True))],
) -> dict[str, Any]:
    """Begin a run; a worker launches it.

    `Idempotency-Key` is required without `due`: the same key gives the same run.
    """
    key = submitting.key_of(request) if said.due is None else None
    campaign = _theirs(caller, name)
    begun = asked_runs.run_for_program(
        submitting.door(caller),
        campaign,
        key=key,
        due=said.due,
        edited=said.edited,
        again=said.again,
        maybe_sent=said.maybe_sent,
        who=caller.who,
        wake=partial(caller.parts.waker.wake_for, names.LAUNCH_DUE),
        check=partial(_check_may_launch, caller),
    )
    return _objects_of(caller, [begun])[0]


def _check_may_launch(caller: Caller, launch: Launch) -> None:
    if not caller.key.may_use(launch.account):
        raise ProblemError("error.api.no_campaign")
    _check_may_send(caller, launch.template)


@router.taking(
    "/campaigns/{name}/rehearse",
    campaign_answers.Rehearsal,
    operation="rehearse_campaign",
    summary="Rehearse the next run of a campaign",
)
def rehearse(caller: Submitter, name: str, _: bodies.Empty) -> dict[str, Any]:
    """Look at the next run as its launch will, and store and send nothing. WeChat is asked."""
    campaign = _theirs(caller, name)
    _check_may_send(caller, campaign.plan.template)
    asked_runs.refuse_files(campaign)
    due = rehearsing.next_due(campaign)
    door = submitting.door(caller)
    found = rehearsing.rehearse(campaign, due, door=door, wechat=caller.parts.wechat)
    shown = [submitting.for_key(caller, one) for one in found]
    return {
        "due_at": utc(due),
        "in_the_way": rehearsals.in_the_way(found),
        "findings": notices(shown, caller.texts, key=KEY),
    }


@router.taking(
    "/campaigns/{name}/plan",
    answers.Plan,
    operation="plan_campaign",
    summary="Try the next run of a campaign, storing nothing",
)
def plan(caller: Submitter, name: str, _: bodies.Empty) -> dict[str, Any]:
    """Check the next run as its launch does; a draft that is found by its title is not."""
    campaign = _theirs(caller, name)
    _check_may_send(caller, campaign.plan.template)
    try:
        prepared = asked_runs.plan_for_program(submitting.door(caller), campaign)
    except InputError as error:
        raise submitting.without_others(caller, error) from None
    return json_answers.plan(caller, prepared)
