"""``broadcast watch ID``."""

from __future__ import annotations

import typer

from broadcast.text import t
from cli import waiting
from cli.commands.options import AsJSON, BroadcastID, UntilWord, new_app
from cli.following import Until
from cli.group import Command
from cli.wiring.database import engine

app = new_app()


@app.command(cls=Command, help=t("help.watch"))
def watch(
    *, broadcast_id: BroadcastID, until: UntilWord = Until.ACCEPTED.value, as_json: AsJSON = False
) -> None:
    """Follow a broadcast until it rests."""
    goal = waiting.until_of(until)
    raise typer.Exit(waiting.wait(engine(), broadcast_id, until=goal, as_json=as_json))
