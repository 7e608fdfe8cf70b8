"""Numbers on the command line: what a person writes as one, and nothing else."""

from __future__ import annotations

import pytest

from entrypoints.cli.commands.options import counted


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1), (" 7 ", 7), ("010", 10), ("100", 100), ("101", None), ("0", None), ("", None),
        ("-1", None), ("+1", None), ("1_0", None), ("1.0", None), ("\u0661", None), ("²", None),
        ("9" * 5_000, None),
    ],
)  # fmt: skip
def test_a_number_is_digits_from_one_to_the_most(text: str, number: int | None) -> None:
    assert counted(text, most=100) == number
