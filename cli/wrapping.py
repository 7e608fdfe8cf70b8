"""Lines as wide as the terminal, broken where a reader expects it.

Python's and Rich's own wrapping know blanks alone: a Chinese sentence has none, and a number or an
id in it would be cut in two. An id, a number and a command of ours stay whole here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Final

from cli.colours import COMMAND, VALUE

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


def wrapped(text: str, width: int) -> str:
    """Return *text* in lines of at most *width* columns; what cannot be broken is longer."""
    return "\n".join(part for line in text.split("\n") for part in _fitted(line, width))


def units(text: str) -> list[str]:
    """Return the pieces of *text* after which a line may end."""
    return re.findall(_UNIT, text)


def _fitted(line: str, width: int) -> Iterator[str]:
    if _cells(line) <= width:
        yield line
    elif line.startswith(COMMAND_INDENT) and line.lstrip().startswith("broadcast "):
        yield from _command(line, width)
    else:
        yield from _sentence(line, width)


def _sentence(line: str, width: int) -> Iterator[str]:
    body = line.lstrip(" ")
    indent = line[: len(line) - len(body)]
    built = indent
    for unit in units(body):
        if built.strip() and _cells(built + unit.rstrip()) > width:
            yield built.rstrip()
            built = indent + HANGING
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
    from rich.cells import cell_len  # noqa: PLC0415 - for terminals alone

    return cell_len(text)
