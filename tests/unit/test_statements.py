"""The table of statements: what is counted is held against it exactly, and it is whole."""

from __future__ import annotations

import pytest

from tests.statements import table
from tests.statements.counting import Count

ONE = {"claim": Count(12, 4, 1)}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"claim": Count(13, 4, 1)}, "13 statements in 4 transactions (1 write) counted"),
        ({"claim": Count(11, 4, 1)}, "11 statements in 4 transactions (1 write) counted"),
        ({"claim": Count(12, 4, 2)}, "12 statements in 4 transactions (2 write) counted"),
        ({**ONE, "pause": Count(1, 1, 1)}, "pause: nothing in the table"),
        ({}, "nothing counted"),
    ],
)
def test_another_count_is_told_be_it_more_or_fewer(found: dict[str, Count], told: str) -> None:
    (line,) = table.differences(ONE, found)

    assert told in line


def test_the_same_counts_are_no_difference_and_the_table_is_read_as_it_was_written() -> None:
    written = table.read()

    assert table.differences(written, dict(written)) == []
    assert table.text(written) == table.FILE.read_text(encoding="utf-8")
