"""``broadcast list``."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from broadcast import day, report_json
from broadcast.accounts import unknown
from broadcast.reports import Report
from broadcast.text import t
from cli import output
from cli.commands.options import AccountName, AsJSON, new_app
from cli.group import Command
from cli.wiring.database import engine, settings
from models.ledger.reading import known, reports

app = new_app()

#: Pipes are as wide as it takes.
WIDTH_OF_A_PIPE = 200
#: From here on there is room for the year and the weekday of a moment.
WIDE = 100


@app.command(cls=Command, name="list", help=t("help.list"))
def listing(
    *,
    account: AccountName = None,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help=t("help.most"))] = 20,
    as_json: AsJSON = False,
) -> None:
    """List the newest broadcasts. Raises SettingsError for an account that nobody knows."""
    ledger = engine()
    if account is not None:
        _check_known(ledger, account)
    found = reports.reports(ledger, account=account, most=most)
    if as_json:
        output.show_json({"broadcasts": [report_json.as_json(told) for told in found]})
    elif not found:
        output.say(t("list.none"))
    else:
        _print(found)


def _check_known(ledger: Engine, account: str) -> None:
    """Refuse an account that neither the ledger nor the settings have: an empty list would lie."""
    used = known.names(ledger)
    if not used:
        settings().account(account)
    elif account not in used and account not in (configured := settings().accounts()):
        raise unknown(account, {*used, *configured})


def _print(found: list[Report]) -> None:
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_PIPE
    with console.capture() as captured:
        console.print(table(found, wide=console.width >= WIDE))
    output.say(captured.get().rstrip("\n"))


def table(found: list[Report], *, wide: bool) -> Table:
    """Return one row a broadcast; where it is narrow, account and state fold and no other."""
    made = Table(box=None, pad_edge=False)
    made.add_column(t("list.id"), no_wrap=True)
    made.add_column(t("list.account"), overflow="fold")
    made.add_column(t("list.created" if wide else "list.created_narrow"), no_wrap=True)
    for name in ("accepted", "planned"):
        made.add_column(t(f"list.{name}"), justify="right", no_wrap=True)
    made.add_column(t("list.state"), overflow="fold")
    for told in found:
        made.add_row(
            told.id, escape(told.account), _created(told.created_at, wide=wide),
            f"{told.recipients['accepted']:,}", f"{told.audience['planned']:,}",
            t(f"state.short.{told.state}"),
        )  # fmt: skip
    return made


def _created(moment: datetime, *, wide: bool) -> str:
    """Return a moment in Beijing; where it is narrow, the year stands in the id."""
    local = moment.astimezone(day.SHANGHAI)
    if not wide:
        return f"{local:%m-%d %H:%M}"
    return t(
        "list.moment", weekday=t(f"weekday.{local.isoweekday()}"), date=f"{local:%Y-%m-%d}",
        time=f"{local:%H:%M}",
    )  # fmt: skip
