from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from broadcast.message import Message
from broadcast.rules.reports import SETS
from broadcast.rules.states import BroadcastState
from broadcast.views.texts import LANGUAGES, Language, Texts
from entrypoints.cli.progress import Bar
from entrypoints.cli.terminal import Terminal
from tests.unit.views.reports import EN, report


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("state", BroadcastState)
def test_the_bar_fits_into_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, lang: Language, state: BroadcastState
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    figures = dict.fromkeys(SETS, 0) | {"accepted": 1_000_000}
    bar = Bar(Terminal(Texts(lang)))

    bar.show(
        report(
            state,
            recipients=figures,
            audience={"planned": 1_000_000},
            batches={"total": 100, "waiting": 0},
        )
    )

    drawn = io.StringIO()
    Console(file=drawn, width=80).print(bar.renderable)
    assert "…" not in drawn.getvalue()


def test_the_clock_goes_on_while_a_full_bar_waits_for_the_ends_of_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = itertools.count(step=60)
    monkeypatch.setattr("rich.console.monotonic", lambda: next(seconds))
    bar = Bar(Terminal(EN))
    full = report(BroadcastState.COMPLETED, batches={"total": 2, "waiting": 0})

    def drawn() -> str:
        bar.show(full)
        text = io.StringIO()
        Console(file=text, width=80).print(bar.renderable)
        return text.getvalue().split()[-1]

    assert drawn() < drawn()


def test_the_bar_tells_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    secret = Message("report.why", why="access_token=abcdef0123 [bold]")

    Bar(Terminal(EN)).tell(secret)

    assert capsys.readouterr().err == " (access_token=*** [bold])\n"
