"""``halt`` and ``unhalt`` of accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Annotated, Protocol

import typer
from sqlalchemy import Engine

from broadcast.errors import InputError, SettingsError
from broadcast.rules.accounts import Account
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause
from broadcast.rules.reports import Report
from broadcast.views import content, next_steps, report_lines
from broadcast.views.json_objects import forbidden
from broadcast.views.words import MOST_NAMED, Moment, Shortened
from entrypoints.cli import ledger_facts, questions
from entrypoints.cli.commands.options import AccountName, Why, new_app
from entrypoints.cli.run import Run, who
from models.ledger.rows import known_accounts
from models.ledger.steer import operator
from models.ledger.views import at_wechat, broadcast_reports, in_flight
from models.ledger.views.in_flight import Waiting

app = new_app()

EveryAccount = Annotated[bool, typer.Option("--all", help="help.all_accounts")]


class Switch(Protocol):
    """A control of an account, or of all: a halt or its end."""

    def __call__(
        self, engine: Engine, /, account: str | None, *, who: str, why: str | None = None
    ) -> list[str]:
        """Carry it out; return the accounts for which something changed."""


@app.command(help="help.halt")
def halt(
    run: Run,
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    why: Why = None,
) -> None:
    """Start no new call of an account, or of all."""
    halt_known = partial(operator.halt, known=_configured(run, every=every))
    _switch(run, halt_known, account, every=every, why=why, name="halt")


@app.command(help="help.unhalt")
def unhalt(
    run: Run,
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    why: Why = None,
) -> None:
    """Unhalt an account, or all."""
    questions.get_ready(run)
    _switch(run, operator.unhalt, account, every=every, why=why, name="unhalt")


def _configured(run: Run, *, every: bool) -> Collection[Account]:
    """Return the accounts of the settings, used or not.

    A secret that cannot be read keeps nobody from the kill switch: what has ever called is in the
    ledger. That more may exist is said where all of them are meant.
    """
    try:
        return run.settings.accounts().values()
    except SettingsError as error:
        if every:
            run.warn(error)
            run.warn("halt.settings_unread")
        return ()


def _switch(
    run: Run,
    control: Switch,
    account: str | None,
    *,
    every: bool,
    why: str | None,
    name: str,
) -> None:
    """Carry out *control* for one account or all. Raises InputError for both at once."""
    if every and account is not None:
        raise InputError("error.usage.account_or_all")
    ledger, terminal = run.engine, run.terminal
    one = None if every else _named(run, ledger, account)
    changed = control(ledger, one, who=who(), why=why)
    if changed:
        terminal.say(f"{name}.done", names=changed)
    elif one is None:
        nobody = name == "halt" and not known_accounts.account_names(ledger)
        terminal.say(_nobody(run) if nobody else f"{name}.already_all")
    else:
        terminal.say(f"{name}.already", name=one)
    meant = [one] if one is not None else known_accounts.account_names(ledger)
    waiting = _say_what_remains(run, changed, meant, lifts=name == "unhalt")
    if changed and name == "unhalt":
        _say_next(run, waiting)
    elif changed:
        # Last: what was stopped may be wrong, and is ended first.
        back = "--all" if one is None else f"--account {one}"
        terminal.say("halt.lift", command=f"broadcast unhalt {back}")
    if run.as_json:
        lanes = ledger_facts.lanes(ledger).by_account
        each = [
            {"name": name, "changed": name in changed, **forbidden(lanes.get(name))}
            for name in meant
        ]
        run.show_done({"accounts": each})


def _nobody(run: Run) -> str:
    """Return the message where no account was halted: none is known, or none could be read."""
    try:
        run.settings.accounts()
    except SettingsError:
        return "halt.nobody_known"
    return "halt.no_account"


def _named(run: Run, ledger: Engine, account: str | None) -> str:
    """Return the account that is meant: of the settings, or one that was in them and was used.

    Raises SettingsError for one that nobody knows.
    """
    # The ledger first: what is wrong with the settings of others keeps nobody from this one.
    if account is not None and known_accounts.is_known(ledger, account):
        return account
    return run.account(account).name


def _say_next(run: Run, waiting: Collection[Waiting]) -> None:
    """Name the command to follow what an unhalt lets go on, or say that there is nothing."""
    if not waiting:
        run.say("unhalt.idle")
    elif any(each.going for each in waiting):
        run.say("unhalt.follow")


def _say_what_remains(
    run: Run, changed: list[str], accounts: list[str], *, lifts: bool
) -> Collection[Waiting]:
    """List what waits, is under way or is scheduled; return the waiting.

    *lifts*: what waits goes on at once.
    """
    ledger, terminal = run.engine, run.terminal
    # First, while what was under way at the word still is.
    under_way = in_flight.of_accounts(ledger, accounts)
    waiting = in_flight.waiting(ledger, accounts)
    going = {name: each.going[0] for name, each in waiting.items() if each.going}
    stands = ledger_facts.lanes(ledger).is_off
    questions.wake_lanes(run, [(name, one) for name, one in going.items() if not stands(name)])
    for account in accounts:
        if account in waiting:
            goes_on = lifts and not stands(account)
            _say_what_waits(run, account, waiting[account], lifts=lifts, goes_on=goes_on)
            _say_what_is_kept_back(run, account, waiting[account], lifts=lifts)
            _say_scheduled(run, account, waiting[account])
    lanes = ledger_facts.lanes(ledger)
    terminal.say_each(next_steps.in_flight(under_way, lanes.now))
    for account in accounts:
        # One command lifts both, so a stop is shown beside the halt that was put on top of it.
        if account not in changed or lanes.is_stopped(account):
            terminal.say_each(lanes.stops(account))
    return waiting.values()


def _say_what_waits(
    run: Run, account: str, waiting: Waiting, *, lifts: bool, goes_on: bool
) -> None:
    """Name what is not sent to everybody yet, who has it, and after a halt how to end it."""
    title = "lanes.goes_on" if goes_on else "lanes.waiting"
    for report in _named_of(run, account, waiting.going, title=title):
        for line in report_lines.maybe_sent(report):
            run.say("lanes.broadcast", recipients=line)
        run.say("lanes.content", name=content.name(report))
        if not lifts:
            run.say("lanes.cancel", id=report.id)
        if not lifts and at_wechat.has_page(report):
            run.say("lanes.recall", id=report.id)


def _say_what_is_kept_back(run: Run, account: str, waiting: Waiting, *, lifts: bool) -> None:
    """Name what an unhalt does not continue; after one, each with the command that does."""
    if not lifts:
        if ids := [*waiting.kept_back, *waiting.by_time]:
            run.say("lanes.kept_back", account=account, ids=Shortened(ids))
        return
    for report in _named_of(run, account, waiting.kept_back, title="lanes.kept_back_next"):
        run.say("lanes.next", name=content.name(report), command=_next_command(report))
    for report in _named_of(run, account, waiting.by_time, title="lanes.by_time"):
        run.say("lanes.content", name=content.name(report))


def _named_of(run: Run, account: str, ids: Sequence[str], *, title: str) -> Iterator[Report]:
    """Yield the first broadcasts, each behind its headline; the rest is counted.

    *title*: what is said before them.
    """
    if ids:
        run.say(title, account=account, n=len(ids))
    for broadcast_id in ids[:MOST_NAMED]:
        report = broadcast_reports.report(run.engine, broadcast_id)
        run.say("lanes.broadcast", recipients=report_lines.headline(report))
        yield report
    _say_more(run, ids, account=account)


def _say_more(run: Run, each: Sequence[object], *, account: str, name: str = "lanes.more") -> None:
    """Say how many there are beside those that were named."""
    more = len(each) - MOST_NAMED
    if more > 0:
        run.say(name, account=account, n=more)


def _next_command(report: Report) -> str:
    """Return the command by which a broadcast goes on, whatever its account may do."""
    own = (one for one in blockers.blockers_of(report) if one.cause not in _OF_ACCOUNT)
    one = next(own, None)
    # A doubt needs a batch's number and a verdict: both stand in the status.
    if one is None or one.cause is Cause.IN_DOUBT:
        return f"broadcast status {report.id}"
    return one.command


_OF_ACCOUNT = frozenset({Cause.ACCOUNT_STOPPED, Cause.ACCOUNT_HALTED, Cause.ACCOUNT_WAITS})


def _say_scheduled(run: Run, account: str, waiting: Waiting) -> None:
    """Name what is to go out later: a halt that outlasts its time lets it be held."""
    terminal, moment = run.terminal, ledger_facts.lanes(run.engine).now
    for broadcast_id, at in waiting.scheduled[:MOST_NAMED]:
        report = broadcast_reports.report(run.engine, broadcast_id, whole=False)
        terminal.say(
            "lanes.scheduled",
            account=account,
            id=broadcast_id,
            name=content.name(report),
            at=Moment(at, moment),
        )
    _say_more(run, waiting.scheduled, account=account, name="lanes.scheduled_more")
