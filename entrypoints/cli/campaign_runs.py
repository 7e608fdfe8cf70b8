"""Runs of a campaign that a person asks for or releases: shown, asked, followed."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Final

from broadcast import names
from broadcast.errors import BrokerAwayError, InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.launches import Agreed, LaunchState, Why
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import proof
from broadcast.rules.plan.audience import OpenIDs
from broadcast.views.campaigns import launch_object
from entrypoints.cli import campaign_lines, exits
from entrypoints.cli.asking import Ask, Asking, SendRequest
from entrypoints.cli.run import Run
from entrypoints.cli.send_options import NOT_KEPT_BACK, ListFile, NarrowingOptions
from entrypoints.cli.shell_quoting import command_line
from entrypoints.cli.tag_lookup import Tags
from models.ledger.campaigns import launch_rows
from models.ledger.rows.transaction import present
from producer.campaigns import asked_runs, rehearsing
from producer.campaigns.launching import PreparedLaunch
from producer.submit.prepare import Reader
from producer.wiring.wechat import QuotaWithReason

#: Seconds: so long a command waits for a worker to launch a run.
WAIT_S: Final = 12
_PAUSE_S: Final = 0.2


@frozen
class RunAsked:
    """A run that is asked for, and how."""

    campaign: Campaign
    launch: Launch
    ask: Ask
    #: The same send within a day is meant.
    again: bool = False
    dry_run: bool = False
    #: A held run is released with what its campaign is now.
    edited: bool = False


def agreed(run: Run, one: RunAsked) -> Agreed:
    """Show a run as it would be stored, and ask on a terminal as ``send`` does.

    Return what was agreed to. Raises typer.Exit for a no, RepeatedSendError as ``send`` does, and
    InputError, in a run of now for doubts, too, where nobody is asked.
    """
    terminal, launch, problems = run.terminal, one.launch, list[Message]()
    is_new, quota = launch.id == 0, QuotaWithReason(run.wechat)
    here = replace(run.door(), quota=quota, reader=Reader.PERSON)
    # Another due time is no double send.
    again = one.again or not is_new or launch.due_at == one.campaign.next_due_at
    found = asked_runs.prepared_run(one.campaign, launch, here, wechat=run.wechat, again=again)
    if is_new and one.ask is not Ask.ASK:
        for doubt in found.doubts:
            raise InputError(doubt.id, **doubt.facts)
    wish = _as_send(run, one, found)
    asking = Asking(run, wish)
    prepared = asking.cooled_off(found.ready)
    asking.tags = wish.tags.look_up(prepared.body)
    now = one.campaign.version
    if launch.version != now:
        problems.append(Message("campaign.edited_since", version=launch.version, now=now))
    unproved = asking.why_unproved(quota.why)
    warnings = [*problems, *found.doubts, *prepared.notices, *unproved]
    if one.dry_run:
        warnings += rehearsing.beyond(one.campaign, launch.due_at, prepared.notices, door=here)
        asking.show(prepared, warnings)
        if proof.in_vain([*asking.beside(prepared), *warnings]):
            terminal.decline("dry_run.in_vain")
    elif one.ask is Ask.NOBODY:
        terminal.warn_each(warnings)
    if not (one.dry_run or asking.may_go(prepared, warnings)):
        terminal.decline("campaign.declined")
    owner = prepared.list_owner
    is_meant = owner is not None and owner.must_be_confirmed
    return Agreed(size=found.size, list_is_meant=is_meant, cooling_off=wish.cooling_off)


def _as_send(run: Run, one: RunAsked, found: PreparedLaunch) -> SendRequest:
    """Return the run as a send, so that it is asked for as one."""
    prepared, order = found.ready, found.order
    template, audience = one.launch.template, prepared.body.audience
    asks, owner = one.ask is Ask.ASK, prepared.list_owner
    file = ListFile(source=template.audience_file or "")
    return SendRequest(
        target=file if isinstance(audience, OpenIDs) else audience,
        narrowing=NarrowingOptions(),
        order=replace(order, draft=prepared.body.draft),
        ask=one.ask,
        tags=Tags(run, order.account),
        cooling_off=run.settings.cooling_off if asks else NOT_KEPT_BACK,
        # A run that was held for its list is released by a yes.
        confirmed=() if owner is None or asks else (owner.id,),
        repeat=command_line(["broadcast", *run.arguments]),
        campaign=_campaign(one, prepared.now),
        has_preview=template.article_file is None,
        more="send.more" if one.launch.id else "campaign.more_now",
    )


def _campaign(one: RunAsked, now: datetime) -> Message:
    """Return whose run it is, and what else its followers get of it."""
    campaign, launch = one.campaign, one.launch
    zone = campaign.plan.schedule.zone
    if launch.id:
        name = "held_run_restored" if launch.why is Why.RESTORED else "held_run"
        at = campaign_lines.moment_words(launch.due_at, zone, now)
    else:
        name = "extra_run" if campaign.next_due_at is None else "extra_run_next"
        at = campaign_lines.moment_words(campaign.next_due_at or now, zone, now)
    sends: Message | str = ""
    if launch.id and (one.edited or launch.version != campaign.version):
        content = campaign_lines.content_line(launch.template)
        sends = Message("send.as_edited" if one.edited else "send.as_before", content=content)
    return Message(f"send.{name}", name=campaign.name, at=at, sends=sends)


def follow(run: Run, campaign: Campaign, begun: Launch) -> int:
    """Wait a while for a worker to launch a run; say what became of it, and return the status."""
    with suppress(BrokerAwayError):
        run.waker.wake_for(names.LAUNCH_DUE)
    until, launch = monotonic() + WAIT_S, begun
    while launch.state is LaunchState.BEGUN and monotonic() < until:
        time.sleep(_PAUSE_S)
        launch = launch_rows.current(run.engine, begun.id)
    now, [(_, ended)] = present(run.engine), asked_runs.with_reports(run.engine, [launch])
    if launch.state is LaunchState.BEGUN:
        run.say("campaign.begun", name=campaign.name)
    else:
        run.say_all(campaign_lines.run_lines(campaign, launch, ended, now=now))
    window = ended and ended.gate(GateKind.COOLING_OFF)
    if ended is not None and window and window.until and window.is_closed(now):
        run.say("blocker.cooling_off", id=ended.id, left=window.until - now)
    texts = run.texts
    run.show_done(launch_object(launch, ended, texts))
    good = {LaunchState.BEGUN, LaunchState.LAUNCHED}
    return exits.DONE if launch.state in good else exits.FAILED
