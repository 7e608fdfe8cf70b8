"""Numbers on the command line: what a person writes as one, and nothing else."""

from __future__ import annotations

import pytest

from broadcast.errors import InputError
from broadcast.message import Message
from entrypoints.cli.commands.options import counted


@pytest.mark.parametrize(("text", "number"), [("1", 1), (" 7 ", 7), ("010", 10), ("100", 100)])
def test_a_number_is_digits_from_one_to_the_most(text: str, number: int) -> None:
    assert counted(text, "error.resolve.batch", most=100) == number


@pytest.mark.parametrize(
    "text", ["101", "0", "", "-1", "+1", "1_0", "1.0", "\u0661", "²", "9" * 5_000]
)
def test_what_is_no_such_number_is_refused_with_what_it_is_for(text: str) -> None:
    with pytest.raises(InputError) as caught:
        counted(text, "error.resolve.batch", most=100)

    assert caught.value.message == Message("error.resolve.batch", text=text.strip()[:40])
