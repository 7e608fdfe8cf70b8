"""The command ``broadcast``: every error becomes one line on standard error and an exit status.

Commands are imported when they are called (:mod:`cli.group`), so that ``broadcast status`` does not
pay for what ``broadcast send`` needs.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from broadcast import redaction
from broadcast.errors import BroadcastError
from broadcast.text import t
from cli import exits, language, output, usage
from cli.group import LazyGroup

DEBUG = "BROADCAST_DEBUG"
_OBJECTS_BEFORE_COLLECTING = 100_000
DISTRIBUTION = "wechat-broadcast"


def main() -> None:
    """Run the command of this process and end it with its exit status."""
    # What we write (tokens, OpenIDs, logs) is for the eyes of whoever runs us.
    os.umask(0o077)
    # The imports of a command make a hundred thousand objects that stay. To look through them for
    # garbage again and again, and once more at the end, costs it a third of its start.
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    redaction.install()
    language.from_dotenv()
    status = run(sys.argv[1:])
    gc.freeze()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone; Python would complain once more at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status (see :mod:`cli.exits`)."""
    output.expect_json("--json" in arguments)
    try:
        return _invoke(list(arguments))
    except TyperException as error:
        return output.fail(usage.one_line(error), status=exits.BAD_INPUT)
    except BroadcastError as error:
        return output.fail(str(error), status=error.exit_status)
    except KeyboardInterrupt:
        return output.fail(t("interrupted"), status=exits.INTERRUPTED)
    except BrokenPipeError:
        return exits.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last net: no traceback for a person
        return _unexpected(error)


def _invoke(arguments: list[str]) -> int:
    command = typer.main.get_command(_root())
    try:
        with command.make_context("broadcast", arguments) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return exits.DONE


def _root() -> typer.Typer:
    app = typer.Typer(cls=LazyGroup, add_completion=False, help=t("help.broadcast"))

    @app.callback(invoke_without_command=True)
    def _root_callback(
        context: typer.Context,
        *,
        _version: Annotated[
            bool,
            typer.Option("--version", help=t("help.version"), callback=_version, is_eager=True),
        ] = False,
    ) -> None:
        if context.invoked_subcommand is None:
            output.say(context.get_help())
            raise typer.Exit(exits.BAD_INPUT)

    return app


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer hands over the option's value
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - for this alone

        output.say(t("version", version=version(DISTRIBUTION)))
        raise typer.Exit(exits.DONE)


def _unexpected(error: Exception) -> int:
    """Tell a bug in one line; a traceback on request, and never its local variables."""
    if os.environ.get(DEBUG):
        output.note("".join(traceback.format_exception(error)).rstrip())
    line = t("error.unexpected", kind=type(error).__name__, text=str(error), debug=DEBUG)
    return output.fail(line, status=exits.FAILED)


if __name__ == "__main__":
    main()
