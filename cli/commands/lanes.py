"""What halt and unhalt have in common."""

from __future__ import annotations

from typing import Annotated, Protocol

import typer
from sqlalchemy import Engine

from broadcast.errors import InputError
from broadcast.text import t
from cli import output, report, standing, ways, words
from cli.wiring.database import engine, settings
from cli.wiring.person import in_one_line, who
from models.ledger.reading import in_flight, known, reports
from models.ledger.reading.in_flight import Waiting

EveryAccount = Annotated[bool, typer.Option("--all", help=t("help.all_accounts"))]


class Switch(Protocol):
    """A human's word on an account, or on all of them."""

    def __call__(
        self, engine: Engine, account: str | None, *, who: str, why: str | None = None
    ) -> list[str]:
        """Carry it out; return the accounts for which something changed."""


def switch(
    control: Switch,
    account: str | None,
    *,
    every: bool,
    why: str | None,
    done: str,
    already: str,
    already_all: str,
) -> None:
    """Carry out *control* for one account or all. Raises InputError for both at once."""
    if every and account is not None:
        raise InputError("error.usage.account_or_all")
    ledger = engine()
    name = None if every else _named(ledger, account)
    changed = control(ledger, name, who=who(), why=in_one_line(why))
    if changed:
        back = "broadcast unhalt " + ("--all" if name is None else f"--account {name}")
        output.say(t(done, names=words.listed(changed), command=back))
    else:
        output.say(t(already_all) if name is None else t(already, name=name))
    _say_what_remains(ledger, changed, name)


def _named(ledger: Engine, account: str | None) -> str:
    """Return the account that is meant: of the settings, or one that was in them and was used.

    Raises SettingsError for one that nobody knows.
    """
    # The ledger first: what is wrong with the settings of others keeps nobody from this one.
    if account is not None and known.is_known(ledger, account):
        return account
    return settings().account(account).name


def _say_what_remains(ledger: Engine, changed: list[str], name: str | None) -> None:
    told = [name] if name is not None else known.names(ledger)
    # First, while what was under way at the word still is.
    flown = in_flight.of_accounts(ledger, told)
    waiting = in_flight.waiting(ledger, told)
    for account in told:
        if account in waiting:
            _say_what_waits(ledger, account, waiting[account])
    lanes = standing.lanes(ledger)
    for line in ways.under_way(flown, lanes.now):
        output.say(line)
    for account in told:
        # One command lifts both, so a stop is told beside the halt that was put on top of it.
        if account not in changed or lanes.is_stopped(account):
            for line in lanes.stops(account):
                output.say(line)


def _say_what_waits(ledger: Engine, account: str, waiting: Waiting) -> None:
    if waiting.going:
        ids = words.shortened(waiting.going)
        output.say(t("lanes.waiting", account=account, ids=ids))
        for broadcast_id in waiting.going[: words.MOST_NAMED]:
            told = reports.report(ledger, broadcast_id)
            output.say(t("lanes.broadcast", id=told.id, recipients=report.recipients(told)))
            for line in report.maybe_sent(told):
                output.say(t("lanes.broadcast", id=told.id, recipients=line))
    if waiting.kept_back:
        ids = words.shortened(waiting.kept_back)
        output.say(t("lanes.kept_back", account=account, ids=ids))
