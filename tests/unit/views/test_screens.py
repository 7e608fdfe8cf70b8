"""What operators see at 80 columns, in both languages."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from broadcast.views.texts import LANGUAGES, Language, Texts
from entrypoints.cli.styling import COMMAND
from entrypoints.cli.terminal import Terminal
from tests.unit.views.screens import SCREENS

WHOLE = re.compile(r"\d{8}-[a-z0-9]{6}|\d{1,3}(?:,\d{3})+|\d{2}:\d{2}|\d{4}-\d{2}-\d{2}")


class Seen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """A terminal of 80 columns in the place of standard output."""
    stream = Seen()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return stream


def shown(
    name: str, lang: Language, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The words of a screen, and as the terminal shows them."""
    with monkeypatch.context() as here:
        here.setattr("sys.stdout", seen)
        Terminal(Texts(lang)).say_all(SCREENS[name].lines())
    texts = Texts(lang)
    with texts.zone_once():
        return "\n".join(map(texts, SCREENS[name].lines())), seen.getvalue().rstrip("\n")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", SCREENS)
def test_it_fits_80_columns_and_breaks_no_id_number_moment_or_command(
    name: str, lang: Language, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, screen = shown(name, lang, seen, monkeypatch)

    assert [line for line in screen.splitlines() if cell_len(line) > 80] == []
    assert WHOLE.findall(screen) == WHOLE.findall(words)
    unbroken = re.sub(r" \\\n *", " ", screen)
    assert re.findall(COMMAND, unbroken) == re.findall(COMMAND, words)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", SCREENS)
def test_commands_stand_on_lines_of_their_own_and_the_zone_is_named_once(
    name: str, lang: Language, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, _ = shown(name, lang, seen, monkeypatch)

    in_prose = [
        line
        for line in words.splitlines()
        if not line.startswith("    ") and any("2026" in c for c in re.findall(COMMAND, line))
    ]
    assert in_prose == []
    zone = {"en": "Beijing time", "zh": "北京时间"}[lang]
    assert len(re.findall(rf"\d\d:\d\d\s*（?{zone}", words)) == 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_cannot_go_on_names_a_command(
    lang: Language, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits for an operator says what the operator does."""
    needs = [
        name
        for name, screen in SCREENS.items()
        if screen.report.state.value in {"paused", "held", "partial", "failed"}
    ]
    without = []
    for name in needs:
        seen.truncate(0)
        words, _ = shown(name, lang, seen, monkeypatch)
        if not re.search(r"^    broadcast ", words, re.MULTILINE):
            without.append(name)

    assert len(needs) > 10
    assert without == ["of a newer release"]
