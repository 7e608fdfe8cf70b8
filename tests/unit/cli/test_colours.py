"""Colours by meaning, and none where nobody sees them."""

from __future__ import annotations

import io
import re

import pytest

from broadcast.message import Message
from broadcast.rules.states import BroadcastState
from broadcast.views import report_lines
from broadcast.views.texts import Texts
from broadcast.views.words import follower_count
from entrypoints.cli import styling
from entrypoints.cli.terminal import Terminal
from tests.unit.views.reports import ID, report

GREEN, YELLOW, RED, CYAN, DIM = (f"\x1b[{n}m" for n in (32, 33, 31, 36, 90))
CODES = re.compile(r"\x1b\[\d+m")


class Seen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def seen_by(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Put a terminal in the place of standard output, in the test itself: pytest has its own."""
    stream = Seen()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        (BroadcastState.COMPLETED, GREEN),
        (BroadcastState.WAITING, YELLOW),
        (BroadcastState.PAUSED, YELLOW),
        (BroadcastState.HELD, RED),
        (BroadcastState.FAILED, RED),
        (BroadcastState.CANCELLED, DIM),
    ],
)
def test_a_state_has_the_colour_of_its_meaning(
    monkeypatch: pytest.MonkeyPatch, state: BroadcastState, colour: str
) -> None:
    seen = seen_by(monkeypatch)
    Terminal(Texts("en")).say(report_lines.headline(report(state)))

    assert seen.getvalue().startswith(f"{colour}{ID} · ")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_commands_are_cyan_with_their_ids_and_options_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    seen = seen_by(monkeypatch)
    what = Message("next_step.doubt_refused", id="20261127-abcdef", n=2, size=follower_count(5))

    Terminal(Texts(lang)).say(what)  # type: ignore[arg-type]

    shown = seen.getvalue()
    command = "broadcast resolve 20261127-abcdef --batch 2 --not-sent"
    assert f"{CYAN}{command}\x1b[0m" in shown
    assert shown.startswith(RED)
    plain = re.sub(r"\s", "", CODES.sub("", shown))
    assert plain == re.sub(r"\s", "", Texts(lang)(what))  # type: ignore[arg-type]


def test_prose_around_a_command_keeps_its_own_colour() -> None:
    text = "The broadcast is paused. Start broadcast up in another terminal."

    assert styling.painted(text, "x") == (
        f"The broadcast is paused. Start {CYAN}broadcast up\x1b[0m in another terminal."
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    seen = seen_by(monkeypatch)
    monkeypatch.setenv(name, value)

    Terminal(Texts("en")).say(report_lines.headline(report(BroadcastState.HELD)))

    assert "\x1b" not in seen.getvalue()


def test_a_pipe_and_an_object_have_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = seen_by(monkeypatch)
    Terminal(Texts("en")).show_json({"command": "broadcast resume 20261127-abcdef"})
    assert "\x1b" not in seen.getvalue()

    monkeypatch.undo()
    Terminal(Texts("en")).say(report_lines.headline(report(BroadcastState.HELD)))
    assert "\x1b" not in capsys.readouterr().out


def test_a_command_on_its_own_line_is_cyan_to_its_end_also_where_it_is_broken() -> None:
    text = "Send:\n    broadcast send --openids rest.txt \\\n      --text 'a b'\nThen wait."

    shown = styling.painted(text, "x")

    assert (
        f"    {CYAN}broadcast send --openids rest.txt \\\n      --text 'a b'\x1b[0m\nThen" in shown
    )
