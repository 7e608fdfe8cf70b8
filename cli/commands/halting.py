"""``halt`` and ``unhalt`` of accounts."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Annotated, Protocol

import typer
from sqlalchemy import Engine

from broadcast.accounts import Account
from broadcast.errors import InputError, SettingsError
from broadcast.message import Message
from cli import ledger_facts, waking
from cli.commands.options import AccountName, AsJSON, Why, new_app
from cli.group import Command
from cli.wiring.person import in_one_line, who
from cli.wiring.run import Run
from models.ledger import operator
from models.ledger.reading import in_flight, known, reports
from models.ledger.reading.in_flight import Waiting
from presentation import next_steps
from presentation import report as reporting
from presentation.report_json import forbidden
from presentation.words import MOST_NAMED, Moment, Shortened

app = new_app()

EveryAccount = Annotated[bool, typer.Option("--all", help="help.all_accounts")]


class Switch(Protocol):
    """A person's word on an account, or on all of them."""

    def __call__(
        self, engine: Engine, account: str | None, *, who: str, why: str | None = None
    ) -> list[str]:
        """Carry it out; return the accounts for which something changed."""


@app.command(cls=Command, help="help.halt")
def halt(
    context: typer.Context,
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Start no new call of an account, or of all."""
    halt_known = functools.partial(operator.halt, known=_configured(context.obj, every=every))
    _switch(context.obj, halt_known, account, every=every, why=why, name="halt", as_json=as_json)


@app.command(cls=Command, help="help.unhalt")
def unhalt(
    context: typer.Context,
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Let an account, or all, call again."""
    waking.get_ready(context.obj)
    _switch(
        context.obj, operator.unhalt, account, every=every, why=why, name="unhalt", as_json=as_json
    )


def _configured(run: Run, *, every: bool) -> Collection[Account]:
    """Return the accounts of the settings, used or not.

    A secret that cannot be read keeps nobody from the kill switch: what has ever called is in the
    ledger. That more may exist is told where all of them are meant.
    """
    try:
        return run.settings.accounts().values()
    except SettingsError as error:
        if every:
            run.terminal.warn(error)
            run.terminal.warn("halt.settings_unread")
        return ()


def _switch(
    run: Run,
    control: Switch,
    account: str | None,
    *,
    every: bool,
    why: str | None,
    name: str,
    as_json: bool,
) -> None:
    """Carry out *control* for one account or all. Raises InputError for both at once."""
    if every and account is not None:
        raise InputError("error.usage.account_or_all")
    ledger, terminal = run.engine, run.terminal
    one = None if every else _named(run, ledger, account)
    changed = control(ledger, one, who=who(), why=in_one_line(why))
    if changed:
        back = "broadcast unhalt " + ("--all" if one is None else f"--account {one}")
        terminal.say(f"{name}.done", names=changed, command=back)
    elif one is None:
        nobody = name == "halt" and not known.names(ledger)
        terminal.say(_nobody(run) if nobody else f"{name}.already_all")
    else:
        terminal.say(f"{name}.already", name=one)
    meant = [one] if one is not None else known.names(ledger)
    _say_what_remains(run, changed, meant)
    if as_json:
        lanes = ledger_facts.lanes(ledger).by_account
        each = [
            {"name": name, "changed": name in changed, **forbidden(lanes.get(name))}
            for name in meant
        ]
        terminal.show_json({"accounts": each, "error": None})


def _nobody(run: Run) -> str:
    """Return what is said where no account was halted: none is known, or none could be read."""
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
    if account is not None and known.is_known(ledger, account):
        return account
    return run.settings.account(account).name


def _say_what_remains(run: Run, changed: list[str], accounts: list[str]) -> None:
    ledger, terminal = run.engine, run.terminal
    # First, while what was under way at the word still is.
    under_way = in_flight.of_accounts(ledger, accounts)
    waiting = in_flight.waiting(ledger, accounts)
    going = {name: there.going[0] for name, there in waiting.items() if there.going}
    stands = ledger_facts.lanes(ledger).stands_still
    waking.wake_lanes(run, [(name, one) for name, one in going.items() if not stands(name)])
    for account in accounts:
        if account in waiting:
            _say_what_waits(run, account, waiting[account])
            _say_scheduled(run, account, waiting[account])
    lanes = ledger_facts.lanes(ledger)
    for line in next_steps.in_flight(under_way, lanes.now):
        terminal.say(line)
    for account in accounts:
        # One command lifts both, so a stop is told beside the halt that was put on top of it.
        if account not in changed or lanes.is_stopped(account):
            for line in lanes.stops(account):
                terminal.say(line)


def _say_what_waits(run: Run, account: str, waiting: Waiting) -> None:
    terminal = run.terminal
    if waiting.going:
        terminal.say("lanes.waiting", account=account, ids=Shortened(waiting.going))
        for broadcast_id in waiting.going[:MOST_NAMED]:
            report = reports.report(run.engine, broadcast_id)
            for line in (reporting.recipients(report), *reporting.maybe_sent(report)):
                terminal.say(Message("lanes.broadcast", id=report.id, recipients=line))
    if waiting.kept_back:
        terminal.say("lanes.kept_back", account=account, ids=Shortened(waiting.kept_back))


def _say_scheduled(run: Run, account: str, waiting: Waiting) -> None:
    """Name what is to go out later: a halt that outlasts its time lets it be held."""
    terminal, moment = run.terminal, ledger_facts.lanes(run.engine).now
    for broadcast_id, at in waiting.scheduled[:MOST_NAMED]:
        terminal.say("lanes.scheduled", account=account, id=broadcast_id, at=Moment(at, moment))
    more = len(waiting.scheduled) - MOST_NAMED
    if more > 0:
        terminal.say("lanes.scheduled_more", account=account, n=more)
