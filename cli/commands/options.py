"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from broadcast.text import t

AsJSON = Annotated[bool, typer.Option("--json", help=t("help.json"))]
AccountName = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help=t("help.account"))
]
BroadcastID = Annotated[str, typer.Argument(metavar="ID", help=t("help.id"), show_default=False)]
Why = Annotated[str | None, typer.Option("--why", metavar="TEXT", help=t("help.why"))]
UntilWord = Annotated[
    str, typer.Option("--until", metavar="accepted|finished", help=t("help.until"))
]


def new_app() -> typer.Typer:
    """Return an empty app for a command or a group of commands."""
    return typer.Typer(add_completion=False)
