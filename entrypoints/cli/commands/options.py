"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Annotated, Any

import typer

from broadcast import openid
from broadcast.errors import BroadcastError, InputError
from broadcast.redaction import kept_words
from entrypoints.cli import candidates
from entrypoints.cli.group import App, F, Group, help_id, of_context
from entrypoints.cli.terminal import short

AccountName = Annotated[
    str | None,
    typer.Option(
        "--account", metavar="NAME", help="help.account", autocompletion=candidates.accounts
    ),
]
#: Left out it is ``@open``; :mod:`entrypoints.cli.which` finds the broadcast.
BroadcastID = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="help.id", show_default=False, autocompletion=candidates.broadcasts
    ),
]
#: Of a command that changes it.
ControlledID = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="help.control.id",
        show_default=False,
        autocompletion=candidates.broadcasts,
    ),
]


def _kept(context: typer.Context, why: str | None) -> str | None:
    # Which words are secret is known once the accounts are read. A wrong file keeps nobody from the
    # kill switch.
    if why is not None:
        with suppress(BroadcastError):
            context.obj.settings.accounts()
    return kept_words(why)


Why = Annotated[str | None, typer.Option("--why", metavar="TEXT", help="help.why", callback=_kept)]
Yes = Annotated[bool, typer.Option("--yes", help="help.yes")]
#: Of a command that asks where a newer broadcast reached the same followers.
YesToNewer = Annotated[bool, typer.Option("--yes", help="help.newer.yes")]
_UNTIL = typer.Option(
    "--until", metavar="accepted|finished", help="help.until", autocompletion=candidates.until
)
UntilWord = Annotated[str, _UNTIL]
#: Of its own: what is annotated keeps its option only where nothing is added to it.
UntilWordIfAny = Annotated[str | None, _UNTIL]


def new_app() -> App:
    """Return an empty app for the commands of one subject."""
    return App(add_completion=False)


def new_group(name: str) -> tuple[App, App]:
    """Return an app with one group of commands in it, and the group."""
    group = App(cls=Group, help=help_id(name))
    app = new_app()
    app.add_typer(group, name=name)
    return app, group


def alone(group: App, *, json: bool = True) -> Callable[[F], F]:
    """Return the decorator of what is done where none of a group's commands is given.

    *json*: it takes ``--json``.
    """

    def register(command: F) -> F:
        with_context = of_context(command, json=json)

        @wraps(with_context)
        def callback(context: typer.Context, **given: Any) -> None:
            if context.invoked_subcommand is None:
                with_context(context, **given)
            else:
                _refuse_before_command(context, **given)

        group.callback(invoke_without_command=True)(callback)
        return command

    return register


def _refuse_before_command(
    context: typer.Context, *, account: str | None, as_json: bool = False
) -> None:
    """Raise InputError if options of a group stand before the command that they are meant for."""
    where = {"group": context.command_path, "command": context.invoked_subcommand}
    if account is not None:
        raise InputError("error.usage.account_after", **where)
    if as_json:
        raise InputError("error.usage.json_after", **where)


def checked_openid(text: str) -> str:
    """Return an OpenID that a person typed. Raises InputError for what is none."""
    if not openid.is_openid(text.encode("utf-8", "replace")):
        raise InputError("error.openid.malformed", text=text)
    return text


def counted(text: str, problem: str, *, most: int) -> int:
    """Return a number from 1 to *most*. Raises InputError *problem* for what is no such number.

    To Python ``1_0`` is ten, and a number of 5,000 digits is an error of its own.
    """
    digits = text.strip()
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))
    if not is_number or not 0 < int(digits) <= most:
        raise InputError(problem, text=short(text))
    return int(digits)
