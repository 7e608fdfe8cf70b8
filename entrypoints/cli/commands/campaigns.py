"""``campaigns``: what is sent at its times, once or again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from broadcast.errors import InputError, OutOfReachError, SettingsError
from broadcast.message import Message
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from broadcast.rules.campaigns.launches import CampaignState
from broadcast.views.campaigns import campaign_object, launch_object, listed
from entrypoints.cli import (
    asking,
    campaign_lines,
    campaign_rehearsals,
    campaign_runs,
    confirmation,
    exits,
    ledger_facts,
)
from entrypoints.cli.campaign_options import PlanOptions, SaidPlan
from entrypoints.cli.commands.options import AccountName, Yes, new_group
from entrypoints.cli.group import grouped
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.question_screen import FACT, LAST, NOTICE, REST, fitting
from entrypoints.cli.run import Run, who
from entrypoints.cli.send_options import AudienceOptions, refuse_unsaid
from entrypoints.cli.sending import nothing_stored
from models.ledger.campaigns import campaign_edits, campaign_rows, counted_sends, launch_rows
from models.ledger.rows.transaction import present
from producer.campaigns import asked_runs
from producer.campaigns.said_plans import check_name
from producer.request.door import SubmitService
from producer.submit.order import checked_key
from producer.wiring.wechat import QuotaWithReason

app, campaigns = new_group("campaigns")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="help.campaigns.name", show_default=False)
]
Due = Annotated[str | None, typer.Option("--due", metavar="TIME", help="help.campaigns.due")]
YesToAll = Annotated[bool, typer.Option("--yes-to-all", help="help.send.yes_to_all")]
#: Behind every due time: those that have none are the last.
FAR_OFF: Final = datetime.max.replace(tzinfo=UTC)
#: Runs that ``show`` shows.
MOST_RUNS: Final = 20


@campaigns.command(help="help.campaigns.add")
@grouped
def add(
    run: Run,
    name: Name,
    *,
    said: PlanOptions,
    account: AccountName = None,
    yes: Yes = False,
) -> None:
    """Store a campaign."""
    check_name(name)
    campaign_edits.refuse_taken(run.engine, name)
    with nothing_stored("campaign.interrupted"):
        found = said.plan(run, run.account(account), None)
        are_named = _check_agreed(run, name, found, asks=_asks(said.audience, yes=yes))
    made = campaign_edits.add(run.engine, name, found.plan, who=who())
    _tell(run, made, "campaign.added", is_said=are_named)


@campaigns.command(help="help.campaigns.edit")
@grouped
def edit(
    run: Run,
    name: Name,
    *,
    said: PlanOptions,
    yes: Yes = False,
) -> None:
    """Change what is given of a campaign."""
    old = campaign_rows.named(run.engine, name)
    with nothing_stored("campaign.interrupted"):
        found = said.plan(run, run.account(old.plan.account), old.plan)
        if found.plan == old.plan:
            raise InputError("error.campaign.no_change", name=name)
        are_named = _check_agreed(run, name, found, asks=_asks(said.audience, yes=yes), old=old)
    edited = campaign_edits.edit(run.engine, old, found.plan, who=who())
    is_off = edited.state is CampaignState.DISABLED
    done = "campaign.edited_disabled" if is_off else "campaign.edited"
    _tell(run, edited, done, is_said=are_named)


def _asks(audience: AudienceOptions, *, yes: bool) -> bool:
    return not asking.is_said(to_all=audience.to_all, yes=yes, yes_to_all=audience.yes_to_all)


def _check_agreed(
    run: Run,
    name: str,
    said: SaidPlan,
    *,
    asks: bool,
    old: Campaign | None = None,
    wish: Message | None = None,
) -> bool:
    """Show a campaign on a terminal and ask; for everybody the account's name is typed.

    *old*: as it is stored. Return whether it was said who would send it. Raises typer.Exit for a
    no.
    """
    now, plan = present(run.engine), said.plan
    is_off = old is not None and old.state is CampaignState.DISABLED
    # While it is disabled, no time is ahead and nothing counts.
    times = [] if is_off else list(plan.next_times(now))
    is_far = bool(times) and times[0] - now > due_times.FAR
    warnings = list(_warnings(run, name, said, old=old, now=now))
    if not is_terminal():
        if asks and is_far:
            raise InputError("error.campaign.far")
        run.terminal.warn_each(warnings)
        return False
    if is_far:
        warnings.insert(0, Message("campaign.far"))
    senders = list(_senders(run, plan)) if asks and times else []
    lines = [campaign_lines.changes(old.plan, plan)] if old else []
    lines += confirmation.account_lines(run.account(plan.account))
    lines += _plan_lines(run, plan, times, now=now)
    weighed = [*_weighed(lines), *((NOTICE, one) for one in senders)]
    weighed += [(_weight(one), Message("output.warning", text=one)) for one in warnings]
    shown = fitting(run.terminal, weighed, more="campaign.more")
    run.terminal.note_each(shown if asks else (one for _, one in weighed))
    wish = wish or Message("campaign.wish", name=name)
    question = campaign_lines.question(plan, times, now, wish=wish, size=said.size)
    if old is not None and is_off:
        question = Message(
            "campaign.question_disabled", wish=wish, command=campaign_lines.enabling(old)
        )
    if asks and not _is_agreed(run, question, plan if times else None):
        run.terminal.decline("campaign.declined")
    return bool(senders)


def _warnings(
    run: Run, name: str, said: SaidPlan, *, old: Campaign | None, now: datetime
) -> Iterator[Message]:
    """Yield what an edit takes away unasked, what is doubtful, and what is beyond a limit."""
    if old is not None:
        yield from campaign_lines.no_longer_excepted(old.plan.schedule, said.plan.schedule, now)
    yield from said.doubts
    if old is None or old.state is not CampaignState.DISABLED:
        account = run.account(said.plan.account)
        beyond = counted_sends.excesses(run.engine, account, changed={name: said.plan})
        yield from campaign_lines.by_limit(beyond, name)


def _senders(run: Run, plan: CampaignPlan) -> Iterator[Message]:
    """Yield why nothing would be sent: the account is broken, no worker answers."""
    quota, account = QuotaWithReason(run.wechat), run.account(plan.account)
    quota.quota(account)
    broken = quota.why and asking.broken(run, account, quota.why)
    if broken:
        yield Message("output.warning", text=Message("send.account_broken", **broken))
    yield from _nobody(run)


def _is_agreed(run: Run, question: Message, planned: CampaignPlan | None) -> bool:
    answer = run.terminal.ask(question)
    if planned is not None and planned.template.to_all:
        return answer == planned.account
    return run.terminal.agrees(answer)


def _plan_lines(
    run: Run, plan: CampaignPlan, times: Sequence[datetime], *, now: datetime
) -> Iterator[Message]:
    names = confirmation.names(run.engine, plan.template.request["content"])
    return campaign_lines.plan_lines(plan, times, now, settings=run.settings, names=names)


def _weight(warning: Message) -> int:
    # What an edit takes away unasked stays, whatever else there is to be seen.
    return FACT if warning.id == "campaign.no_longer_excepted" else NOTICE


def _weighed(lines: Iterable[Message]) -> Iterator[tuple[int, Message]]:
    """Yield the weight of each line of a campaign before its question, and the line."""
    said = {"campaign.whom", "campaign.policy", "confirmation.server"}
    for line in lines:
        if line.id == "campaign.changes":
            # What an edit changes of its times stands in it.
            said |= {"campaign.cron", "campaign.days"}
        # The question says to whom it goes and when first.
        is_next = line.id.startswith("campaign.next")
        yield REST if is_next else LAST if line.id in said else FACT, line


def _tell(run: Run, campaign: Campaign, done: str, *, is_said: bool = False) -> None:
    """Say what was done, and when it is due next; *is_said*: who sends it was said before."""
    now, times = present(run.engine), campaign.next_times()
    run.say(done, name=campaign.name, command=campaign_lines.enabling(campaign))
    run.say_all(campaign_lines.next_lines(campaign.plan, times, now, settings=run.settings))
    if not is_said:
        _warn_of_nobody(run, [campaign])
    run.show_done(campaign_object(campaign))


def _warn_of_nobody(run: Run, found: Iterable[Campaign]) -> None:
    """Say that no worker answers, where a run is to come."""
    if any(one.next_due_at for one in found):
        run.say_all(_nobody(run))


def _nobody(run: Run) -> Iterator[Message]:
    # Nobody knows while the broker is away.
    with suppress(OutOfReachError):
        if not run.waker.workers(limit=1):
            yield Message("send.scheduled_no_worker")


@campaigns.command("list", help="help.campaigns.list")
def list_(run: Run) -> None:
    """List campaigns, and their runs that are held."""
    found, now = campaign_rows.every(run.engine), present(run.engine)
    held = launch_rows.waiting_for_a_person(run.engine, [one.id for one in found])
    if run.as_json:
        texts = run.texts
        shown = [(one, launch_object(one, None, texts)) for one in held]
        run.show_done({"campaigns": listed(found, shown)})
        return
    if not found:
        run.say("campaign.none")
    lanes = ledger_facts.lanes(run.engine)
    # What keeps all of an account's runs stands before them.
    accounts = sorted({one.plan.account for one in found})
    for account in accounts:
        run.terminal.note_each(lanes.stops(account))
    _show_all(run, found, held, now=now)
    _warn_of_nobody(run, found)
    for account in accounts:
        try:
            over = counted_sends.excesses(run.engine, run.account(account))
        except SettingsError as error:
            # Other accounts' campaigns run all the same.
            over = [error.message]
        run.terminal.warn_each(campaign_lines.by_limit(over))


def _show_all(
    run: Run, found: Sequence[Campaign], held: Sequence[Launch], *, now: datetime
) -> None:
    """Show campaigns, the next first, each above what was found of it and its held runs."""
    terminal = run.terminal
    with terminal.texts.zone_once():
        for one in sorted(found, key=lambda each: (each.next_due_at or FAR_OFF, each.name)):
            mine = [launch for launch in held if launch.campaign_id == one.id]
            terminal.say(campaign_lines.summary(one, now, mine))
            problem = one.problem()
            broken = () if problem is None else (problem,)
            for line in (*broken, *campaign_rehearsals.found(run, one, now)):
                terminal.say_below(line)
            for launch in mine:
                for line in campaign_lines.run_lines(one, launch, None, now=now):
                    terminal.say_below(line)


@campaigns.command(help="help.campaigns.show")
def show(
    run: Run,
    name: Name,
    *,
    most: Annotated[
        int, typer.Option("--most", min=1, max=10_000, help="help.campaigns.most")
    ] = MOST_RUNS,
) -> None:
    """Show a campaign, its next due times and its runs."""
    campaign, now = campaign_rows.named(run.engine, name), present(run.engine)
    launches = launch_rows.history(run.engine, campaign.id, most=most)
    runs = asked_runs.with_reports(run.engine, launches)
    if run.as_json:
        texts = run.texts
        each = [launch_object(one, report, texts) for one, report in runs]
        run.show_done({**campaign_object(campaign), "runs": each})
        return
    run.say(campaign_lines.summary(campaign, now, launches))
    run.say_all(_plan_lines(run, campaign.plan, campaign.next_times(), now=now))
    run.say_all(campaign_rehearsals.found(run, campaign, now))
    for one, report in runs:
        run.say_all(campaign_lines.run_lines(campaign, one, report, now=now))


@campaigns.command(help="help.campaigns.enable")
def enable(run: Run, name: Name, *, yes_to_all: YesToAll = False) -> None:
    """Enable a campaign from now on; of one to everybody it is asked as when it is added."""
    old, are_named = campaign_rows.named(run.engine, name), False
    to_all = old.plan.template.to_all
    if old.state is CampaignState.DISABLED:
        refuse_unsaid(to_all=to_all, yes_to_all=yes_to_all, asks=is_terminal())
        if to_all and old.plan.next_times(present(run.engine)):
            wish = Message("campaign.wish_enable", name=name)
            found = SaidPlan(plan=old.plan)
            are_named = _check_agreed(run, old.name, found, asks=not yes_to_all, wish=wish)
    enabled = campaign_edits.enable(run.engine, name, who=who())
    _tell(run, enabled, "campaign.enabled", is_said=are_named)


@campaigns.command(help="help.campaigns.disable")
def disable(run: Run, name: Name) -> None:
    """Start no new run of a campaign until it is enabled."""
    disabled = campaign_edits.disable(run.engine, name, who=who())
    _tell(run, disabled, "campaign.disabled")


@campaigns.command(help="help.campaigns.remove")
def remove(run: Run, name: Name, *, yes: Yes = False) -> None:
    """Remove a campaign; its runs stay in the ledger."""
    campaign_rows.named(run.engine, name)
    run.confirm("campaign.question_remove", "campaign.declined", yes=yes, name=name)
    removed = campaign_edits.remove(run.engine, name, who=who())
    _tell(run, removed, "campaign.removed")


@campaigns.command("run", help="help.campaigns.run")
def run_(
    run: Run,
    name: Name,
    *,
    due: Due = None,
    edited: Annotated[bool, typer.Option("--edited", help="help.campaigns.edited")] = False,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="help.campaigns.key")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="help.send.again")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="help.campaigns.dry_run")] = False,
    now: Annotated[bool, typer.Option("--now", help="help.campaigns.now")] = False,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="help.campaigns.rehearse")] = False,
    yes: Yes = False,
    yes_to_all: YesToAll = False,
) -> int:
    """Run a campaign now, release a run that is held, or try the next one."""
    _refuse_apart(due, key=key, edited=edited, now=now)
    campaign = campaign_rows.named(run.engine, name)
    if rehearse:
        if due is not None or key is not None:
            option = "--key" if due is None else "--due"
            raise InputError("error.usage.apart", option=option, other="--rehearse")
        return campaign_rehearsals.rehearse(run, campaign)
    known = None if key is None else launch_rows.under_key(run.engine, campaign, checked_key(key))
    if known is not None:
        return campaign_runs.follow(run, campaign, known)
    door = run.door()
    if not dry_run:
        asked_runs.refuse_unanswered(door)
    new = asked_runs.next_run if dry_run and not now else asked_runs.run_of_now
    launch = new(door, campaign) if due is None else _held(door, campaign, due, edited=edited)
    to_all = launch.template.to_all
    refuse_unsaid(to_all=to_all, yes_to_all=yes_to_all, asks=dry_run or is_terminal())
    said = dry_run or asking.is_said(to_all=to_all, yes=yes, yes_to_all=yes_to_all)
    asked = campaign_runs.RunAsked(
        campaign=campaign,
        launch=launch,
        ask=asking.ask_of(said=said),
        dry_run=dry_run,
        again=again,
        edited=edited,
    )
    with nothing_stored("campaign.interrupted"):
        agreed = campaign_runs.agreed(run, asked)
    if dry_run:
        run.note("dry_run.fits")
        return exits.DONE
    begun = asked_runs.begin(
        door,
        campaign,
        launch,
        key=key,
        agreed=agreed,
        again=again,
        who=who(),
        maybe_sent=said or is_terminal(),
    )
    return campaign_runs.follow(run, campaign, begun)


def _refuse_apart(due: str | None, *, key: str | None, edited: bool, now: bool) -> None:
    if due is not None and key is not None:
        raise InputError("error.usage.apart_run", option="--key", other="--due")
    if due is not None and now:
        raise InputError("error.usage.apart", option="--now", other="--due")
    if due is None and edited:
        raise InputError("error.usage.belongs_to", option="--edited", needed="--due")


def _held(door: SubmitService, campaign: Campaign, due: str, *, edited: bool) -> Launch:
    held = asked_runs.held_at(door, campaign, due, now=datetime.now(UTC))
    return asked_runs.held_run(campaign, held, edited=edited)
