"""Colours by meaning: green is accepted, yellow waits, red needs a person, dim is when and who.

Commands are cyan. Nothing is coloured in a pipe, with ``NO_COLOR`` (https://no-color.org) or on a
terminal that says it is dumb.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final, TextIO

import typer

from broadcast.message import Message
from broadcast.states import BroadcastState
from cli.group import COMMANDS

S = BroadcastState

_OF_STATE: Final[Mapping[BroadcastState, str]] = {
    S.COMPLETED: "green",
    S.PARTIAL: "red",
    S.FAILED: "red",
    S.HELD: "red",
    S.CANCELLED: "bright_black",
}
#: By the beginning of a text's id.
_OF_TEXT: Final = (
    ("blocker.in_doubt", "red"),
    ("blocker.held", "red"),
    ("blocker.stopped", "red"),
    ("blocker.", "yellow"),
    ("next_step.doubt", "red"),
    ("report.troubled", "red"),
    ("report.times", "bright_black"),
    ("operator_action.", "bright_black"),
)
#: Of these texts the mark at the beginning alone is coloured.
_MARKED: Final = {"check.good": "green", "check.warning": "yellow", "check.failed": "red"}
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
    """Tell whether *stream* is a terminal that shows colours; Python has none for a closed one."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


def painted(text: str, what: object) -> str:
    """Return the words of *what* with the colour of its meaning, and its commands in cyan."""
    colour, painted_text, at = _of(what), list[str](), 0
    if isinstance(what, Message) and what.id in _MARKED:
        at = text.index(text.strip()[0]) + 1
        painted_text += [_styled(text[:at], _MARKED[what.id])]
    for command in re.finditer(_SHOWN, text):
        painted_text += [_styled(text[at : command.start()], colour), _styled(command[0], "cyan")]
        at = command.end()
    return "".join([*painted_text, _styled(text[at:], colour)])


def of_state(state: BroadcastState) -> str:
    """Return the colour of a state; one that may still go on is yellow."""
    return _OF_STATE.get(state, "yellow")


def _of(what: object) -> str | None:
    if not isinstance(what, Message):
        return None
    if "state" in what.facts:
        from presentation.headline import StateNow  # noqa: PLC0415 - for the line of a report

        if isinstance(now := what.facts["state"], StateNow):
            return of_state(now.state)
    return next((colour for start, colour in _OF_TEXT if what.id.startswith(start)), None)


def _styled(text: str, colour: str | None) -> str:
    return typer.style(text, fg=colour) if colour and text else text
