"""The help of a command, in the person's language.

Typer's own is English around the texts, and cuts Chinese ones off, which have no blanks to break
at.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from broadcast.views.texts import Texts
from entrypoints.cli import exits
from entrypoints.cli.group import SUBJECTS, LazyGroup, help_id
from entrypoints.cli.styling import wrapped

INDENT = 2
#: Columns of a text beside a name.
_LEAST: Final = 10


def print_help(command: Any, context: Any) -> None:
    """Print usage, purpose, arguments, options and commands.

    Raises BrokenPipeError when nobody reads on, and OutOfReachError where it cannot be written.
    """
    # In memory: the terminal alone writes, and says so where standard output is full.
    drawn = io.StringIO()
    is_terminal = Console(file=sys.stdout).is_terminal
    console = Console(file=drawn, highlight=False, force_terminal=is_terminal)
    _draw(console, command, context)
    context.obj.terminal.show_page(drawn.getvalue())


def _draw(console: Console, command: Any, context: Any) -> None:
    texts: Texts = context.obj.terminal.texts
    pieces = [
        texts(_PIECES[one]) if one in _PIECES else one
        for one in command.collect_usage_pieces(context)
    ]
    usage = " ".join([context.command_path, *pieces])
    console.print(Text(texts("help.usage", usage=usage)), soft_wrap=True)
    console.print()
    purpose = wrapped(_words(command, texts), console.width - 2 * INDENT, hanging="")
    console.print(Padding(Text(purpose), (0, INDENT)))
    parameters = [p for p in command.get_params(context) if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    rows = [(p.metavar or p.name, _words(p, texts)) for p in arguments]
    _section(console, texts("help.arguments"), rows)
    _section(
        console, texts("help.options"), [(_names(p), _help_with_default(p, texts)) for p in options]
    )
    for title, names in _chapters(command, context):
        _section(console, texts(title), _named(command, context, names=names, texts=texts))
    if isinstance(command, LazyGroup):
        _section(console, texts("help.exits"), _exits(texts))
    _examples(console, texts, examples_of(_after_program(context.command_path), texts))


#: Typer's own words in a usage.
_PIECES = {"[OPTIONS]": "help.usage.options", "COMMAND [ARGS]...": "help.usage.command"}


def _after_program(path: str) -> str:
    """Return the words of a command's path behind the program's own name."""
    return path.partition(" ")[2]


def _words(helped: Any, texts: Texts) -> str:
    """Return the help of a command or a parameter, which is written as the id of its text."""
    return texts(helped.help) if helped.help else ""


def _names(option: Any) -> str:
    names = ", ".join(option.opts)
    value = option.metavar or _range(option)
    return names if option.is_flag or not value else f"{names} {value}"


def _range(option: Any) -> str:
    smallest, largest = (getattr(option, name, None) for name in ("min", "max"))
    if smallest is None:
        return ""
    return f"{smallest}.." if largest is None else f"{smallest}..{largest}"


def _help_with_default(option: Any, texts: Texts) -> str:
    """Return an option's help with its default, unless it is a switch or has none."""
    if option.is_flag or option.default is None:
        return _words(option, texts)
    return texts("help.default", text=_words(option, texts), default=option.default)


def _chapters(command: Any, context: Any) -> Iterable[tuple[str, Iterable[str]]]:
    """Yield the titles under which the commands of a group stand, and their names."""
    if isinstance(command, LazyGroup):
        for subject, names in SUBJECTS.items():
            yield f"help.subject.{subject}", names
    elif hasattr(command, "list_commands"):
        yield "help.commands", command.list_commands(context)


def _named(
    group: Any,
    context: Any,
    *,
    names: Iterable[str],
    texts: Texts,
) -> Iterable[tuple[str, str]]:
    for name in names:
        if isinstance(group, LazyGroup):
            # A command of the root is imported when it is called, not for its line in the help.
            yield name, texts(help_id(name))
        else:
            yield name, _words(group.get_command(context, name), texts)


def _exits(texts: Texts) -> Iterable[tuple[str, str]]:
    for status in sorted(exits.ALL):
        yield str(status), texts(f"help.exit.{status}")


def _examples(console: Console, texts: Texts, lines: Iterable[str]) -> None:
    """Print lines that can be copied, so without a break."""
    lines = list(lines)
    if not lines:
        return
    console.print()
    console.print(Text(texts("help.examples"), style="bold"))
    for line in lines:
        console.print(Text(" " * INDENT + line), soft_wrap=True)


def _section(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    # Rich would begin a line with a full-width mark.
    room = console.width - 2 * INDENT - max(cell_len(name) for name, _ in rows)
    room = max(room, _LEAST)
    table = Table.grid(padding=(0, INDENT))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(wrapped(text, room, hanging="")))
    console.print()
    console.print(Text(title, style="bold"))
    console.print(Padding(table, (0, 0, 0, INDENT)))


def examples_of(command: str, texts: Texts) -> Iterator[str]:
    """Yield the examples of a command, with names of files and words in the reader's language."""
    for line in Path(__file__).with_name("examples.txt").read_text("utf-8").splitlines():
        words = line.split()
        if words[words.index("broadcast") + 1] == command:
            yield _WORD.sub(lambda found: texts(f"example.{found[1]}"), line)


#: What stands in braces is the end of a text's id.
_WORD: Final = re.compile(r"{(\w+)}")
