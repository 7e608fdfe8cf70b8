"""The two halves of the README tell of the same commands."""

from __future__ import annotations

import re
from pathlib import Path

from cli.group import COMMANDS

README = Path(__file__).resolve().parents[2] / "README.md"
#: What of a row does not depend on the language: commands and options.
WORDS = re.compile(r"`([^`]*)`")


def rows(half: str, head: str) -> list[list[str]]:
    """Return the words in code of each row of the table of commands."""
    table = half[half.index(head) :].split("\n\n", maxsplit=1)[0]
    return [WORDS.findall(row) for row in table.splitlines()[2:]]


def test_the_table_of_commands_has_the_same_rows_in_both_languages() -> None:
    english, _, chinese = README.read_text(encoding="utf-8").partition("## 中文")

    told = rows(english, "| command |")

    assert rows(chinese, "| 命令 |") == told
    named = {word for row in told for cell in row for word in cell.split()}
    assert set(COMMANDS) <= named
