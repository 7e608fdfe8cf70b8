"""The table: as it is written down, and how a count differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.statements.counting import Count

FILE = Path(__file__).with_name("table.txt")
ADVICE = (
    "Fewer is a change, too. Where it is meant: make statements-update, and say in the commit why."
)
_HEAD = ("verb", "statements", "transactions", "writes")


def text(counts: Mapping[str, Count]) -> str:
    """Return the table as it is written down."""
    rows = [(verb, *map(str, _figures(count))) for verb, count in counts.items()]
    wide = max(map(len, counts))
    lines = [
        f"{verb:<{wide}}  {statements:>10}  {transactions:>12}  {writes:>6}"
        for verb, statements, transactions, writes in [_HEAD, *rows]
    ]
    return "\n".join(lines) + "\n"


def read() -> dict[str, Count]:
    """Return the counts that are written down."""
    lines = FILE.read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.rsplit(maxsplit=3) for line in lines]
    return {verb: Count(*map(int, figures)) for verb, *figures in rows}


def differences(written: Mapping[str, Count], found: Mapping[str, Count]) -> list[str]:
    """Return a line for each verb whose count is another one, or that is only in one of them."""
    verbs = dict.fromkeys([*written, *found])
    return [
        f"{verb}: {_shown(written.get(verb))} in the table, {_shown(found.get(verb))} counted"
        for verb in verbs
        if written.get(verb) != found.get(verb)
    ]


def _figures(count: Count) -> tuple[int, int, int]:
    return count.statements, count.transactions, count.writes


def _shown(count: Count | None) -> str:
    if count is None:
        return "nothing"
    return "{} statements in {} transactions ({} write)".format(*_figures(count))
