"""``broadcast help [COMMAND]``: the same as ``broadcast [COMMAND] --help``."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.options import new_app
from cli.group import Command, Group
from cli.helping import print_help

app = new_app()


@app.command(cls=Command, name="help", help="help.of_help")
def help_of(
    context: typer.Context,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="help.of_command", show_default=False)
    ] = None,
) -> None:
    """Show the help of a command, or of all."""
    root = context.parent
    assert root is not None
    assert isinstance(root.command, Group), "it is a command of the root"
    if name is None:
        print_help(root.command, root)
        return
    name, command, _ = root.command.resolve_command(root, [name])
    print_help(command, command.context_class(command, info_name=name, parent=root, obj=root.obj))
