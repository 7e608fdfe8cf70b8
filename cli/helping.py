"""The help of a command, in the person's language.

Typer's own is English around the texts, and cuts Chinese ones off, which have no blanks to break
at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from presentation.texts import Texts

INDENT = 2


def print_help(command: Any, context: Any) -> None:  # noqa: ANN401 - Typer keeps its classes private
    """Print usage, purpose, arguments, options and commands."""
    texts: Texts = context.obj.terminal.texts
    console = Console(file=sys.stdout, highlight=False)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    console.print(Text(texts("help.usage", usage=usage)), soft_wrap=True)
    console.print()
    console.print(Padding(Text(_words(command, texts)), (0, INDENT)))
    parameters = [p for p in command.get_params(context) if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    rows = [(p.metavar or p.name, _words(p, texts)) for p in arguments]
    _section(console, texts("help.arguments"), rows)
    _section(console, texts("help.options"), [(_names(p), _told(p, texts)) for p in options])
    if hasattr(command, "list_commands"):
        _section(console, texts("help.commands"), _commands(command, context, texts))


def _words(helped: Any, texts: Texts) -> str:  # noqa: ANN401
    """Return the help of a command or a parameter, which is written as the id of its text."""
    return texts(helped.help) if helped.help else ""


def _names(option: Any) -> str:  # noqa: ANN401
    names = ", ".join(option.opts)
    value = option.metavar or _range(option)
    return names if option.is_flag or not value else f"{names} {value}"


def _range(option: Any) -> str:  # noqa: ANN401
    smallest, largest = (getattr(option, name, None) for name in ("min", "max"))
    if smallest is None:
        return ""
    return f"{smallest}.." if largest is None else f"{smallest}..{largest}"


def _told(option: Any, texts: Texts) -> str:  # noqa: ANN401
    """Return an option's help with its default, unless it is a switch or has none."""
    if option.is_flag or option.default is None:
        return _words(option, texts)
    return texts("help.default", text=_words(option, texts), default=option.default)


def _commands(group: Any, context: Any, texts: Texts) -> Iterable[tuple[str, str]]:  # noqa: ANN401
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, _words(command, texts)


def _section(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    table = Table.grid(padding=(0, INDENT))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(text))
    console.print()
    console.print(Text(title, style="bold"))
    console.print(Padding(table, (0, 0, 0, INDENT)))
