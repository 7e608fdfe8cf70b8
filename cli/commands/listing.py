"""``broadcast list``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from broadcast.text import t
from cli import output, words
from cli.commands.options import AccountName, AsJSON, new_app
from cli.group import Command
from cli.wiring.database import engine
from models.ledger import reports

app = new_app()

#: Pipes are as wide as it takes.
WIDTH_OF_A_PIPE = 200


@app.command(cls=Command, name="list", help=t("help.list"))
def listing(
    *,
    account: AccountName = None,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help=t("help.most"))] = 20,
    as_json: AsJSON = False,
) -> None:
    """List the newest broadcasts."""
    found = reports.reports(engine(), account=account, most=most)
    if as_json:
        output.show_json({"broadcasts": [reports.as_json(told) for told in found]})
    elif not found:
        output.say(t("list.none"))
    else:
        _print(found)


def _print(found: list[reports.Report]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("id", "account", "created"):
        table.add_column(t(f"list.{name}"), no_wrap=name == "id", overflow="fold")
    for name in ("accepted", "planned"):
        table.add_column(t(f"list.{name}"), justify="right")
    table.add_column(t("list.state"), overflow="fold")
    for told in found:
        table.add_row(
            told.id, escape(told.account), words.moment(told.created_at, told.now),
            f"{told.recipients['accepted']:,}", f"{told.audience['planned']:,}",
            escape(words.broadcast_state(told.state)),
        )  # fmt: skip
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_PIPE
    console.print(table)
