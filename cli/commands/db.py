"""``broadcast db upgrade``."""

from __future__ import annotations

import typer

from broadcast.text import t
from cli import output
from cli.group import Command, Group
from cli.wiring.database import engine_to_upgrade
from models import schema

app = typer.Typer(cls=Group, add_completion=False, help=t("help.db"))


@app.callback()
def db() -> None:
    """Make a group of one command a group all the same."""


@app.command(cls=Command, help=t("help.db.upgrade"))
def upgrade() -> None:
    """Migrate to the newest schema."""
    before, after = schema.upgrade(engine_to_upgrade())
    if before == after:
        output.say(t("db.newest", revision=after))
    else:
        output.say(t("db.upgraded", before=before or t("db.empty"), after=after))
