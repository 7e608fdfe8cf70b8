"""Which lines stand before a question: the facts always, the rest by weight as far as it fits."""

from __future__ import annotations

import pytest

from broadcast.message import Message
from broadcast.views.texts import Texts
from entrypoints.cli import question_screen, styling
from entrypoints.cli.question_screen import FACT, NOTICE, REST, ROWS, fitting, weighed
from entrypoints.cli.terminal import AsWritten, Plain, Sayable, Terminal

WIDTH = 80


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a terminal of eighty columns."""
    monkeypatch.setattr(styling, "width_of_terminal", lambda: WIDTH)


def shown(*lines: tuple[int, Sayable]) -> list[str]:
    """Return what is printed; the last may say how many lines are not."""
    terminal = Terminal(Texts("en"))
    return [terminal.in_words(line) for line in fitting(terminal, lines)]


def test_what_fits_is_shown_in_its_order() -> None:
    lines = [(REST, "a"), (FACT, "b"), (NOTICE, "c")]

    assert shown(*[(weight, Plain(text)) for weight, text in lines]) == ["a", "b", "c"]


def test_the_facts_stay_whatever_there_is_beside_them() -> None:
    facts = [(FACT, Plain(f"fact {n}")) for n in range(ROWS)]

    texts = shown((REST, Plain("rest")), (NOTICE, Plain("notice")), *facts)

    assert texts[:-1] == [str(text) for _, text in facts]
    assert texts[-1].startswith("2 lines more: ")


def test_of_the_notices_the_first_three_that_fit_stay() -> None:
    long = Plain("n" * WIDTH * ROWS)
    notices = [(NOTICE, Plain(f"notice {n}")) for n in range(4)]

    texts = shown((FACT, Plain("fact")), (NOTICE, long), *notices, (REST, Plain("rest")))

    assert texts == ["fact", "notice 0", "notice 1", "notice 2", "rest", texts[-1]]
    assert texts[-1].startswith("2 lines more: ")


@pytest.mark.parametrize(("line", "rows"), [("x" * 81, 2), ("字" * 41, 2), ("", 1), ("a\nb", 2)])
def test_rows_are_counted_as_the_terminal_breaks_them(line: str, rows: int) -> None:
    rest = [(REST, Plain("r"))] * (ROWS - 1 - rows)

    assert len(shown((FACT, Plain(line)), *rest)) == 1 + len(rest)
    assert shown((FACT, Plain(line)), *rest, (REST, Plain("r")))[-1].startswith("1 line more: ")


def test_a_long_line_of_a_text_takes_two_rows() -> None:
    text, mark = shown((FACT, AsWritten("字" * 600)))

    assert text == "字" * question_screen.MOST_CHARACTERS + "…"
    assert "(1 line, 600 characters; whole: the same command with --dry-run)" in mark


def test_a_text_that_is_cut_says_how_long_it_is_and_is_no_notice() -> None:
    text = [AsWritten(f"    line {n:02}" + "字" * 40 * (n == 6)) for n in range(30)]
    lines = [(FACT, Plain("fact")), (FACT, text[0]), *[(REST, one) for one in text[1:]]]

    texts = shown(*lines, (FACT, Plain("at once")), (NOTICE, Plain("notice")))

    # The line of two rows does not fit, so that no later one is shown either.
    assert texts == [
        "fact",
        *map(str, text[:6]),
        "    … (30 lines, 250 characters; whole: the same command with --dry-run)",
        "at once",
        "notice",
    ]
    assert shown(*lines, *[(NOTICE, Plain("n"))] * 5)[-1].startswith("2 lines more: ")


def test_the_first_line_of_a_content_is_a_fact_and_a_stop_is_a_notice() -> None:
    lines: list[Sayable] = [
        Message("confirmation.account"),
        Message("blocker.halted"),
        Message("confirmation.batches"),
        Message("confirmation.content"),
        AsWritten("one"),
        AsWritten("two"),
        Message("confirmation.at"),
    ]

    weights = [weight for weight, _ in weighed(lines)]

    assert weights == [FACT, NOTICE, REST, FACT, FACT, REST, FACT]
