"""``broadcast up``."""

from __future__ import annotations

import typer

from broadcast.text import t
from cli.group import Command

app = typer.Typer(add_completion=False)


@app.command(cls=Command, help=t("help.up"))
def up() -> None:
    """Run Valkey, a worker and a beat in this terminal."""
    from cli.embedded import up as embedded  # noqa: PLC0415 - not for the help

    raise typer.Exit(embedded.run())
