"""Commands that are imported when they are called, with their help in the person's language."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup

from broadcast.text import t
from cli.separate import refuse_options

#: Each module has a Typer ``app``: with one command it is that command, with more a group.
COMMANDS: Final[Mapping[str, str]] = {
    "send": "cli.commands.send",
    "status": "cli.commands.status",
    "watch": "cli.commands.watch",
    "list": "cli.commands.listing",
    "pause": "cli.commands.pause",
    "resume": "cli.commands.resume",
    "cancel": "cli.commands.cancel",
    "retry": "cli.commands.retry",
    "resolve": "cli.commands.resolve",
    "recipients": "cli.commands.recipients",
    "halt": "cli.commands.halt",
    "unhalt": "cli.commands.unhalt",
    "token": "cli.commands.token",
    "accounts": "cli.commands.accounts",
    "quota": "cli.commands.quota",
    "explain": "cli.commands.explain",
    "audit": "cli.commands.audit",
    "db": "cli.commands.db",
    "up": "cli.commands.up",
    "simulator": "cli.commands.simulator",
    "demo": "cli.commands.demo",
}


class _Ours:
    """Help in the person's language, and no option taken for the value of another."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - Typer's own
        refuse_options(self, ctx, args)
        return super().parse_args(ctx, args)  # type: ignore[misc]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - Typer's own
        from cli.helping import print_help  # noqa: PLC0415 - rich is for help and terminals

        print_help(cast("Any", self), ctx)

    def get_help_option(self, ctx: Any) -> Any:  # noqa: ANN401
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = t("help.help")
        return option


class Command(_Ours, TyperCommand):
    """A command; ``@app.command(cls=Command)``."""


class Group(_Ours, TyperGroup):
    """A group of commands that are there."""


class LazyGroup(Group):
    """The root: knows every command by name, and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        """Import and return a command, or None if there is none of this name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = typer.main.get_command(import_module(module).app)
        command.name = cmd_name
        return command
