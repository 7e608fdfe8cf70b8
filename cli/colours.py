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
    ("next_step.in_doubt", "red"),
    ("report.troubled", "red"),
    ("report.times", "bright_black"),
    ("report.created_by", "bright_black"),
    ("operator_action.", "bright_black"),
)
#: A command of ours with its ids, options and what stands in capitals for a value.
_COMMAND: Final = re.compile(
    rf"\bbroadcast (?:{'|'.join(COMMANDS)})\b"
    r"(?: (?:\d{8}-[a-z0-9]+|@last|[A-Z][A-Z_]*\b|--[a-z-]+(?: [A-Z][A-Z_]*\b| \d+\b)?))*"
)


def are_shown(stream: TextIO | None) -> bool:
    """Tell whether *stream* is a terminal that shows colours; Python has none for a closed one."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


def painted(text: str, what: object) -> str:
    """Return the words of *what* with the colour of its meaning, and its commands in cyan."""
    colour = _of(what)
    painted_text, at = [], 0
    for command in _COMMAND.finditer(text):
        painted_text += [_styled(text[at : command.start()], colour), _styled(command[0], "cyan")]
        at = command.end()
    return "".join([*painted_text, _styled(text[at:], colour)])


def _of(what: object) -> str | None:
    if not isinstance(what, Message):
        return None
    if what.id == "report.state":
        state = what.facts.get("state")
        return _OF_STATE.get(state, "yellow") if isinstance(state, BroadcastState) else None
    return next((colour for start, colour in _OF_TEXT if what.id.startswith(start)), None)


def _styled(text: str, colour: str | None) -> str:
    return typer.style(text, fg=colour) if colour and text else text
