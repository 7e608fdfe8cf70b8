"""No test holds a date that the real clock can pass: it would turn red on that day for good."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from tools.packages import ROOT

TESTS = ROOT / "tests"
#: Rooms whose tests hand the present moment to what they test, or have a clock for all of it.
APART = ("unit/producer", "unit/rules", "unit/views", "golden", "acceptance/month")
#: Modules of a clock that a test sets, or that stands still.
CLOCKS = re.compile(r"tests\.(kit import .*\bclock\b|kit\.clock|golden\.still|.*still_clock)")
#: No clock reaches these.
NEVER = 2090
_DATE = re.compile(r"(?<!\d)(20\d\d)-([01]\d)-([0-3]\d)(?!\d)")


def literal_dates(text: str) -> Iterator[tuple[int, date]]:
    """Yield the dates written out in a module, each with its line."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Constant(value=str(words)):
                parts = _DATE.findall(words)
            case ast.Call(func=ast.Name(id="date" | "datetime"), args=[*args]):
                values = [one.value for one in args if isinstance(one, ast.Constant)]
                parts = [values[:3]] if len(values) > 2 else []
            case _:
                continue
        for year, month, day in parts:
            try:
                yield node.lineno, date(int(year), int(month), int(day))
            except ValueError:
                continue


def passable(text: str, *, today: date) -> list[str]:
    """Return the dates of a module without a clock of its own that are ahead of *today*."""
    if CLOCKS.search(text):
        return []
    ahead = [found for found in literal_dates(text) if today <= found[1] and found[1].year < NEVER]
    return [f"line {line}: {found}" for line, found in ahead]


def test_no_date_is_ahead_of_the_clock_unless_the_test_has_a_clock_of_its_own() -> None:
    today = datetime.now(UTC).date()

    found = {
        name: dates
        for file in TESTS.rglob("*.py")
        if not (name := str(file.relative_to(TESTS))).startswith(APART)
        and (dates := passable(file.read_text("utf-8"), today=today))
    }

    assert found == {}, "Use tests.kit.dates, or a clock that the test sets."


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('at = "2031-01-05 20:00"', 1),
        ("at = datetime(2031, 1, 5, tzinfo=UTC)", 1),
        ("days = date(2031, 1, 5), date(2031, 1, 6)", 2),
        ('at = "2030-12-31"', 0),
        ('at = "2099-01-01"', 0),
        ('at = "2031-13-01"', 0),
        ('from tests.kit.clock import Clock\nat = "2031-01-05"', 0),
        ('from tests.integration.models.still_clock import NOON\nat = "2031-01-05"', 0),
    ],
)
def test_a_date_is_found_as_text_and_as_a_call(text: str, count: int) -> None:
    assert len(passable(text, today=date(2031, 1, 1))) == count
