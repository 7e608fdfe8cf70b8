"""``broadcast status [ID]``."""

from __future__ import annotations

from typing import Annotated

import typer

from broadcast.errors import UnknownIdError
from broadcast.text import t
from cli import waiting
from cli.commands.options import AsJSON, new_app
from cli.group import Command
from cli.wiring.database import engine
from models.ledger import reports

app = new_app()


@app.command(cls=Command, help=t("help.status"))
def status(
    *,
    broadcast_id: Annotated[
        str | None, typer.Argument(metavar="ID", help=t("help.id_or_newest"), show_default=False)
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Show where a broadcast stands."""
    ledger = engine()
    if broadcast_id is None:
        newest = reports.reports(ledger, most=1)
        if not newest:
            raise UnknownIdError("error.broadcast.none")
        broadcast_id = newest[0].id
    waiting.show(ledger, reports.report(ledger, broadcast_id), as_json=as_json)
