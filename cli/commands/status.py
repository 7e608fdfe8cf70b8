"""``broadcast status [ID]``."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import Engine

from broadcast.errors import UnknownIdError
from broadcast.text import t
from cli import output, standing, waiting
from cli.commands.options import AsJSON, new_app
from cli.group import Command
from cli.wiring.database import engine
from models.ledger.reading import in_flight, reports

app = new_app()


@app.command(cls=Command, help=t("help.status"))
def status(
    *,
    broadcast_id: Annotated[
        str | None, typer.Argument(metavar="ID", help=t("help.id_or_newest"), show_default=False)
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Show where a broadcast stands; without an id the newest, and every account that stands still.

    The broadcast's own account is told with it.
    """
    ledger = engine()
    if broadcast_id is not None:
        waiting.show(ledger, *in_flight.beside_report(ledger, broadcast_id), as_json=as_json)
        return
    newest = reports.reports(ledger, most=1)
    _say_stops(ledger, beside=newest[0].account if newest else None)
    if not newest:
        raise UnknownIdError("error.broadcast.none")
    waiting.show(ledger, *in_flight.beside_report(ledger, newest[0].id), as_json=as_json)


def _say_stops(ledger: Engine, *, beside: str | None) -> None:
    """Tell of the accounts that the newest broadcast is not of: it says nothing of theirs."""
    for line in standing.lanes(ledger).stops_beside(beside):
        output.say(line)
