"""Colours by meaning: green is accepted, yellow waits, red needs a person, dim is when and who.

Commands are cyan. Nothing is coloured in a pipe, with ``NO_COLOR`` (https://no-color.org) or on a
terminal that says it is dumb.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from typing import Final, TextIO

import typer

from broadcast.data_files import parsed
from broadcast.message import Message
from broadcast.rules.states import BroadcastState
from entrypoints.cli.group import COMMANDS

#: Of states; of texts, by the beginning of their ids, the first that fits; and, of some
#: texts, of the mark at the beginning alone.
_COLOURS: Final[dict[str, dict[str, str]]] = parsed(__file__, "colours.json")
#: What an option takes in a sentence: what stands in capitals, a number, KIND:VALUE.
VALUE: Final = r"(?:[A-Z][A-Z_]*\b|\d+\b|[a-z]+:[A-Za-z0-9-]+)"
#: A command of ours with its ids and options. To compile it takes longer than most lines do, and a
#: pipe needs none: `re` does it when the first line is painted or broken.
COMMAND: Final = (
    rf"\bbroadcast (?:{'|'.join(COMMANDS)})\b"
    r"(?: (?:\d{8}-[a-z0-9]+|@last|[A-Z][A-Z_]*\b|--account [A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
    rf"|--[a-z-]+(?: {VALUE})?))*"
)


#: A command on a line of its own, as far as a shell reads it.
_OWN_LINE: Final = r"(?<=    )broadcast (?:.*\\\n)*.*"
_SHOWN: Final = rf"{_OWN_LINE}|{COMMAND}"


def are_shown(stream: TextIO | None) -> bool:
    """Return whether *stream* is a terminal with colours; Python has none for a closed one."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


def painted(text: str, what: object) -> str:
    """Return the words of *what* with the colour of its meaning, and its commands in cyan."""
    colour, painted_text, at = _colour_of(what), list[str](), 0
    if isinstance(what, Message) and what.id in _COLOURS["marks"]:
        at = text.index(text.strip()[0]) + 1
        painted_text += [_styled(text[:at], _COLOURS["marks"][what.id])]
    for command in re.finditer(_SHOWN, text):
        painted_text += [_styled(text[at : command.start()], colour), _styled(command[0], "cyan")]
        at = command.end()
    return "".join([*painted_text, _styled(text[at:], colour)])


def of_state(state: BroadcastState) -> str:
    """Return the colour of a state; one that may still go on is yellow."""
    return _COLOURS["states"].get(state, "yellow")


def _colour_of(what: object) -> str | None:
    if not isinstance(what, Message):
        return None
    if "state" in what.facts:
        from broadcast.views.report_lines import StateNow

        if isinstance(now := what.facts["state"], StateNow):
            return of_state(now.state)
    return next(
        (colour for start, colour in _COLOURS["texts"].items() if what.id.startswith(start)), None
    )


def _styled(text: str, colour: str | None) -> str:
    return typer.style(text, fg=colour) if colour and text else text


#: Longer lines are hard to read, however wide the terminal is.
WIDEST: Final = 120
NARROWEST: Final = 40
#: How much farther in a line goes on.
HANGING: Final = "  "
#: A command on a line of its own stands this far in.
COMMAND_INDENT: Final = "    "
#: Characters that are two columns wide: a line may end between them.
_WIDE = (
    r"\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff"
    r"\ufe30-\ufe6f\uff00-\uffef"
)
#: What no line begins with, and what none ends with: full-width marks and quotes.
_CLOSING = (
    r"\uff0c\u3002\u3001\uff1b\uff1a\uff1f\uff01\uff09\u300d\u300f\u3011\u300b\u3009"
    r"\u201d\u2019\u2026\u00b7"
)
_OPENING = r"\uff08\u300c\u300e\u3010\u300a\u3008\u201c\u2018"
_NARROW = rf"[^\s{_WIDE}{_OPENING}{_CLOSING}]+"
#: A command or a name in a sentence.
_QUOTED = r"`[^`]*`[.,;:]?"
#: A figure and what it counts.
_COUNTED = rf"[\d,]+ [{_WIDE}]"
#: An option with its value.
_OPTION = rf"--[a-z-]+ {VALUE}"
_UNIT: Final = (
    rf"[{_OPENING}(]*(?:{_QUOTED}|(?:{COMMAND}|{_OPTION})[).,;:]*|{_COUNTED}|{_NARROW}"
    rf"|[{_WIDE}]|[{_CLOSING}])"
    rf"[{_CLOSING}]*\s*"
)
#: A word as a shell reads it: a quoted text is one, whatever it holds.
_WORD: Final = re.compile(r"""(?:\$'(?:\\.|[^'\\])*'|'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+""")
#: What a command may go on with in the next line.
_GOES_ON: Final = ("--", "&&", "|", ">")


def width_of_terminal() -> int:
    """Return the columns that lines may have."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


def wrapped(text: str, width: int, *, hanging: str = HANGING) -> str:
    """Return *text* in lines of at most *width* columns; what cannot be broken is longer."""
    lines = text.split("\n")
    return "\n".join(part for line in lines for part in _fitted(line, width, hanging))


def units(text: str) -> list[str]:
    """Return the pieces of *text* after which a line may end."""
    return re.findall(_UNIT, text)


def _fitted(line: str, width: int, hanging: str) -> Iterator[str]:
    if _cells(line) <= width:
        yield line
    elif line.startswith(COMMAND_INDENT) and line.lstrip().startswith("broadcast "):
        yield from _command(line, width)
    else:
        yield from _sentence(line, width, hanging)


def _sentence(line: str, width: int, hanging: str) -> Iterator[str]:
    body = line.lstrip(" ")
    indent = line[: len(line) - len(body)]
    built = indent
    for unit in units(body):
        if built.strip() and _cells(built + unit.rstrip()) > width:
            yield built.rstrip()
            built = indent + hanging
        built += unit
    yield built.rstrip()


def _command(line: str, width: int) -> Iterator[str]:
    """Break a command before its options, so that a shell still reads it as one."""
    indent = line[: len(line) - len(line.lstrip())]
    first, *rest = _parts(line)
    built = indent + first
    for part in rest:
        longer = f"{built} {part}"
        if _cells(longer) > width - len(" \\"):
            yield f"{built} \\"
            longer = indent + HANGING + part
        built = longer
    yield built


def _parts(command: str) -> list[str]:
    """Return a command in pieces before each of which a line may end."""
    parts: list[str] = []
    for word in _WORD.findall(command):
        if parts and not word.startswith(_GOES_ON):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
