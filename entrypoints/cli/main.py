"""The command ``broadcast``: every error becomes one line on standard error and an exit status.

Commands are imported when they are called (:mod:`entrypoints.cli.group`), so that ``broadcast
status`` does not pay for what ``broadcast send`` needs.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from broadcast import redaction
from broadcast.errors import BroadcastError
from broadcast.quoting import one_line
from broadcast.settings import environment
from broadcast.views.texts import Texts, choose_language
from entrypoints.cli import exits, streaming, usage
from entrypoints.cli.group import LazyGroup, only_shows
from entrypoints.cli.run import Run
from entrypoints.cli.shell_quoting import is_utf8
from entrypoints.cli.streaming import CutOffError
from entrypoints.cli.terminal import Plain, Terminal

#: What the scripts of ``broadcast completion`` set, to the line that a person is typing.
_COMPLETES = "_BROADCAST_COMPLETE"
DISTRIBUTION = "wechat-broadcast"


def main() -> None:
    """Run the command of this process and end it with its exit status."""
    # What we write (tokens, OpenIDs, logs) is for the eyes of whoever runs us.
    os.umask(0o077)
    redaction.install()
    # What was met is said in a person's words; servers set up a log of their own.
    logging.lastResort = logging.NullHandler()
    if _COMPLETES in os.environ:
        _complete(os.environ[_COMPLETES])
        return
    status = run(sys.argv[1:])
    gc.freeze()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Whoever read has gone, or the disk is full; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            status = status or exits.OUT_OF_REACH
    sys.exit(status)


def _complete(line: str) -> None:
    """Print the possible next words of a command line; call no command."""
    from entrypoints.cli import completing

    texts = Texts(choose_language(environment.read()))
    completing.answer(typer.main.get_command(_root()), Run(Terminal(texts)), line)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status (see :mod:`entrypoints.cli.exits`)."""
    if os.environ.get("COLUMNS") == "0":
        # Of a terminal that has no size yet: Rich would print nothing but line breaks.
        del os.environ["COLUMNS"]
    texts = Texts(choose_language(environment.read()))
    terminal = Terminal(
        texts,
        json_expected="--json" in arguments,
        only_shows=only_shows(arguments),
    )
    try:
        return _ended(_invoke(Run(terminal, arguments)), terminal)
    except TyperException as error:
        return terminal.fail(usage.as_input_error(error), status=exits.BAD_INPUT)
    except BroadcastError as error:
        if isinstance(error, CutOffError):
            _trace(error, terminal)
        return terminal.fail(error, status=error.exit_status)
    except KeyboardInterrupt:
        return terminal.fail("interrupted", status=exits.INTERRUPTED)
    except BrokenPipeError:
        return exits.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last net: no traceback for a person
        return _unexpected(error, terminal, arguments)


def _ended(status: int, terminal: Terminal) -> int:
    """Return the status of a command that did its work, wherever its words went."""
    lost = terminal.output_lost and status == exits.DONE
    return exits.OUT_OF_REACH if lost else status


def _invoke(run: Run) -> int:
    command = typer.main.get_command(_root())
    try:
        with command.make_context("broadcast", list(run.arguments), obj=run) as context:
            return command.invoke(context) or exits.DONE
    except typer.Exit as end:
        return end.exit_code


def _root() -> typer.Typer:
    app = typer.Typer(cls=LazyGroup, add_completion=False, help="help.broadcast")

    @app.callback(invoke_without_command=True)
    def _root_callback(
        context: typer.Context,
        *,
        _version: Annotated[
            bool,
            typer.Option("--version", help="help.version", callback=_version, is_eager=True),
        ] = False,
    ) -> None:
        if context.invoked_subcommand is None:
            context.obj.terminal.say(Plain(context.get_help()))
            raise typer.Exit(exits.BAD_INPUT)

    return app


def _version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - Typer hands over the option's value
    if wanted:
        from importlib.metadata import version

        context.obj.terminal.say("version", version=version(DISTRIBUTION))
        raise typer.Exit(exits.DONE)


def _unexpected(error: Exception, terminal: Terminal, arguments: Sequence[str]) -> int:
    """Report a bug in one line; a traceback on request. A word that no one can encode is none."""
    wrong = [word for word in arguments if not is_utf8(word)]
    if isinstance(error, UnicodeEncodeError) and wrong:
        text = one_line(wrong[0])
        return terminal.fail("error.usage.not_utf8", text=text, status=exits.BAD_INPUT)
    _trace(error, terminal)
    return terminal.fail(streaming.unexpected_message(error), status=exits.FAILED)


def _trace(error: BaseException, terminal: Terminal) -> None:
    trace = streaming.trace(error)
    if trace is not None:
        terminal.note(Plain(trace))


if __name__ == "__main__":
    main()
