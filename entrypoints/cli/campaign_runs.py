"""Runs of a campaign that a person asks for or releases: shown, asked, followed."""

from __future__ import annotations

import contextlib
import time
from typing import Final

from broadcast.errors import BrokerAwayError, InputError, RepeatedSendError
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.views.campaigns import launch_object
from entrypoints.cli import campaign_lines, confirmation, exits
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import is_terminal
from models.ledger.campaigns import launch_rows
from models.ledger.rows.transaction import present
from producer.campaigns import asked_runs, launching
from producer.campaigns import template as templates
from producer.request.door import SubmitService
from producer.wiring.wechat import ClientChecks, QuotaWithReason

#: Seconds: so long a command waits for a worker to launch a run.
WAIT_S: Final = 12
_PAUSE_S: Final = 0.2


def check_agreed(run: Run, campaign: Campaign, launch: Launch, *, again: bool, asks: bool) -> None:
    """Show a run as it would be stored, and ask on a terminal; raises typer.Exit for a no.

    Raises InputError too, also for the same send within a day, and in a run of now for doubts,
    where nobody is asked.
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
    terminal.confirm("campaign.question_run", "campaign.declined", yes=not asks, name=campaign.name)


def door(run: Run) -> SubmitService:
    """Return the door by which runs are submitted."""
    return SubmitService(
        settings=run.settings, engine=run.engine, quota=QuotaWithReason(run.wechat),
        waker=run.waker, looks=ClientChecks(run.wechat),
    )  # fmt: skip


def _prepared(
    run: Run, campaign: Campaign, launch: Launch, *, again: bool
) -> launching.PreparedLaunch:
    return asked_runs.prepared_run(campaign, launch, door(run), wechat=run.wechat, again=again)


def follow(run: Run, campaign: Campaign, begun: Launch, *, as_json: bool) -> int:
    """Wait a while for a worker to launch a run; say what became of it, and return the status."""
    with contextlib.suppress(BrokerAwayError):
        run.waker.wake_for_launches()
    until, launch = time.monotonic() + WAIT_S, begun
    while launch.state is LaunchState.BEGUN and time.monotonic() < until:
        time.sleep(_PAUSE_S)
        launch = launch_rows.current(run.engine, begun.id)
    now, ended = present(run.engine), asked_runs.report(run.engine, launch)
    if launch.state is LaunchState.BEGUN:
        run.terminal.say("campaign.begun", name=campaign.name)
    else:
        run.terminal.say_all(campaign_lines.run_lines(campaign, launch, ended, now=now))
    if as_json:
        texts = run.terminal.texts
        run.terminal.show_json({**launch_object(launch, ended, texts), "error": None})
    good = {LaunchState.BEGUN, LaunchState.LAUNCHED}
    return exits.DONE if launch.state in good else exits.FAILED
