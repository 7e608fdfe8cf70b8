"""Runs of a campaign that a person asks for or releases: shown, asked, followed."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from broadcast.errors import BrokerAwayError, InputError, RepeatedSendError, UnknownIdError
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.campaigns.variables import rendered_template
from broadcast.rules.reports import Report
from broadcast.views.campaigns import launch_object
from entrypoints.cli import campaign_lines, confirmation, exits
from entrypoints.cli.campaign_options import A_DRAFT, moment
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import is_terminal
from models.ledger.campaigns import launch_rows
from models.ledger.rows.transaction import present
from models.ledger.views import broadcast_reports
from producer.campaigns import launching
from producer.campaigns import template as templates
from producer.request.door import SubmitService
from producer.submit.order import new_key
from producer.wiring.wechat import ClientChecks, QuotaWithReason

#: Seconds: so long a command waits for a worker to launch a run.
WAIT_S: Final = 12
_PAUSE_S: Final = 0.2


def held_at(run: Run, campaign: Campaign, due: str) -> Launch:
    """Return the run of a due time, written to the minute. Raises InputError."""
    zone = campaign.plan.schedule.zone
    at = moment(due, zone, now=datetime.now(UTC))
    each = launch_rows.history(run.engine, campaign.id, most=launch_rows.EVERY)
    found = [one for one in each if one.due_at.replace(second=0, microsecond=0) == at]
    held = [one for one in found if one.state is LaunchState.HELD]
    if not found:
        raise InputError("error.launch.none", name=campaign.name, due=at)
    return (held or found)[0]


def to_run(
    run: Run, campaign: Campaign, held: Launch | None, *, edited: bool, dry_run: bool
) -> Launch:
    """Return the launch to be begun, or in a dry run the next one."""
    now, zone = present(run.engine), campaign.plan.schedule.zone
    due = campaign.next_due_at if dry_run else None
    if held is not None:
        if held.request is not None and not edited:
            return held
        due = held.due_at
    request = rendered_template(campaign.plan.template, due or now, zone)
    new = Launch(
        id=0, campaign_id=campaign.id, account=campaign.plan.account, due_at=due or now,
        state=LaunchState.BEGUN, reason=None, version=campaign.version, request=request,
        key=new_key(), broadcast_id=None, size=None, released_at=now, released_by=who(),
        decided_at=now,
    )  # fmt: skip
    return new if held is None else replace(held, request=request, version=campaign.version)


def may_run(run: Run, campaign: Campaign, launch: Launch, *, again: bool, asks: bool) -> bool:
    """Show a run as it would be stored, and ask on a terminal. Raises InputError.

    Also for the same send within a day, and in a run of now for doubts, where nobody is asked.
    """
    asks, terminal, problem = asks and is_terminal(), run.terminal, None
    try:
        found = _prepared(run, campaign, launch, again=again or launch.id != 0)
    except RepeatedSendError as error:
        if not asks:
            raise
        problem, found = error, _prepared(run, campaign, launch, again=True)
    if not asks and launch.id == 0:
        for doubt in found.doubts:
            raise InputError(doubt.id, **doubt.facts)
    content = confirmation.content_lines(run.engine, found.ready.content)
    for line in confirmation.summary(
        found.order, found.ready, stops=(), content=content, now=found.ready.now, blocked=False
    ):
        terminal.note(line)
    if launch.version != campaign.version:
        terminal.note("campaign.edited_since", version=launch.version, now=campaign.version)
        for line in campaign_lines.request_lines(templates.load(campaign.plan.template)):
            terminal.note(line)
    if problem is not None:
        terminal.warn(problem)
    for warning in (*found.doubts, *found.ready.notices):
        terminal.warn(warning)
    return not asks or terminal.agrees(terminal.ask("campaign.question_run", name=campaign.name))


def _prepared(
    run: Run, campaign: Campaign, launch: Launch, *, again: bool
) -> launching.PreparedLaunch:
    template, account = templates.load(launch.request or ""), run.settings.account(launch.account)
    # Nobody makes a draft of a file before its run.
    looks = None if template.article_file else ClientChecks(run.wechat)
    whole = (
        template.with_draft(A_DRAFT)
        if template.article_file
        else templates.with_its_draft(template, account, engine=run.engine, wechat=run.wechat)
    )
    door = SubmitService(
        settings=run.settings, engine=run.engine, quota=QuotaWithReason(run.wechat),
        waker=run.waker, looks=looks,
    )  # fmt: skip
    reserved = launch_rows.of_campaign(run.engine, campaign, launch)
    with launching.prepared(reserved, whole, door, again=again) as found:
        return found


def report(run: Run, launch: Launch) -> Report | None:
    """Return the report of a launch's broadcast, where it has one that was not removed."""
    if launch.broadcast_id is None:
        return None
    try:
        return broadcast_reports.report(run.engine, launch.broadcast_id, whole=False)
    except UnknownIdError:
        return None


def follow(run: Run, campaign: Campaign, begun: Launch, *, as_json: bool) -> int:
    """Wait a while for a worker to launch a run; say what became of it, and return the status."""
    with contextlib.suppress(BrokerAwayError):
        run.waker.wake_for_launches()
    until, launch = time.monotonic() + WAIT_S, begun
    while launch.state is LaunchState.BEGUN and time.monotonic() < until:
        time.sleep(_PAUSE_S)
        launch = launch_rows.current(run.engine, begun.id)
    now, ended = present(run.engine), report(run, launch)
    if launch.state is LaunchState.BEGUN:
        run.terminal.say("campaign.begun", name=campaign.name)
    else:
        run.terminal.say_all(campaign_lines.run_lines(campaign, launch, ended, now=now))
    if as_json:
        texts = run.terminal.texts
        run.terminal.show_json({**launch_object(launch, ended, texts), "error": None})
    good = {LaunchState.BEGUN, LaunchState.LAUNCHED}
    return exits.DONE if launch.state in good else exits.FAILED
