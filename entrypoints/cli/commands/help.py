"""``help [COMMAND]``, which is ``[COMMAND] --help``; ``completion SHELL``, so that Tab helps."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from broadcast.errors import InputError, of_file
from broadcast.message import Message
from entrypoints.cli import candidates
from entrypoints.cli.command_help import print_help
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.group import Group
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Plain, short

app = new_app()


@app.command(name="help", help="help.of_help", json=False)
def help_of(
    context: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="COMMAND",
            help="help.of_command",
            show_default=False,
            autocompletion=candidates.commands,
        ),
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


@app.command(help="help.completion", json=False)
def completion(
    run: Run,
    *,
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL", help="help.completion.shell", autocompletion=candidates.shells
        ),
    ],
    install: Annotated[bool, typer.Option("--install", help="help.completion.install")] = False,
) -> None:
    """Print the script of a shell, or write it to where the shell reads it."""
    from entrypoints.cli import completing

    if shell not in completing.SHELLS:
        raise InputError("error.completion.shell", text=short(shell))
    script = completing.script(shell)
    if not install:
        run.say(Plain(script.rstrip("\n")))
        return
    path = _completion_file(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script, "utf-8")
    except OSError as error:
        raise InputError("error.completion.unwritable", path=path, reason=of_file(error)) from None
    run.say(Message(f"completion.installed.{shell}", path=shlex.quote(str(path))))


def _completion_file(shell: str) -> Path:
    """Return the file in which *shell* looks for a person's own completion."""
    home = Path.home()
    match shell:
        case "bash":
            data = os.environ.get("XDG_DATA_HOME") or home / ".local" / "share"
            return Path(data) / "bash-completion" / "completions" / "broadcast"
        case "zsh":
            return home / ".zfunc" / "_broadcast"
    settings = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
    return Path(settings) / "fish" / "completions" / "broadcast.fish"
