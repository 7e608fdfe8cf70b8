"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJSON = Annotated[bool, typer.Option("--json", help="help.json")]
AccountName = Annotated[str | None, typer.Option("--account", metavar="NAME", help="help.account")]
#: Left out it is ``@open``; :mod:`cli.which` finds the broadcast.
BroadcastID = Annotated[str, typer.Argument(metavar="ID", help="help.id", show_default=False)]
Why = Annotated[str | None, typer.Option("--why", metavar="TEXT", help="help.why")]
_UNTIL = typer.Option("--until", metavar="accepted|finished", help="help.until")
UntilWord = Annotated[str, _UNTIL]
#: Of its own: what is annotated keeps its option only where nothing is added to it.
UntilWordIfAny = Annotated[str | None, _UNTIL]


def new_app() -> typer.Typer:
    """Return an empty app for the commands of one subject."""
    return typer.Typer(add_completion=False)
