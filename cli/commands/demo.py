"""``broadcast demo``."""

from __future__ import annotations

import typer

from broadcast.text import t
from cli.group import Command

app = typer.Typer(add_completion=False)


@app.command(cls=Command, help=t("help.demo"))
def demo() -> None:
    """Run the demo."""
    from cli.embedded import demo as embedded  # noqa: PLC0415 - not for the help

    raise typer.Exit(embedded.run())
