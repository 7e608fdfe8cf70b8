from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from broadcast.reports import Report
from broadcast.states import BroadcastState
from cli.commands.looking import table
from presentation.texts import LANGUAGES, Language, Texts
from tests.unit.presentation.reports import report


def drawn(found: list[Report], *, columns: int, lang: Language = "en") -> list[str]:
    console = Console(file=io.StringIO(), width=columns, highlight=False)
    with console.capture() as captured:
        console.print(table(found, Texts(lang), wide=columns >= 100))
    return [line.rstrip() for line in captured.get().splitlines()]


def large(state: BroadcastState, account: str) -> Report:
    one = report(state, account=account)
    return replace(
        one, recipients=one.recipients | {"accepted": 990_000},
        audience=one.audience | {"planned": 1_000_000},
    )  # fmt: skip


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("columns", "account"), [(80, "default"), (120, "shop-of-the-north")])
def test_every_state_fits_on_one_line(lang: Language, columns: int, account: str) -> None:
    found = [large(state, account) for state in BroadcastState]

    shown = drawn(found, columns=columns, lang=lang)

    assert len(shown) == 1 + len(BroadcastState), shown
    assert max(map(cell_len, shown)) <= columns
    assert all("990,000" in line and "1,000,000" in line for line in shown[1:])


@pytest.mark.parametrize(("columns", "title"), [(80, "Created UTC+8"), (120, "Created (Beijing")])
def test_the_column_of_times_says_that_they_are_those_of_the_creation(
    columns: int, title: str
) -> None:
    """A broadcast for later has a second time, which `status` tells."""
    assert title in drawn([large(BroadcastState.SCHEDULED, "default")], columns=columns)[0]


def test_at_80_columns_a_long_account_folds_and_nothing_else() -> None:
    shown = drawn([large(BroadcastState.PARTIAL, "a" * 20)], columns=80)

    assert max(map(cell_len, shown)) <= 80
    assert shown[1].startswith("20261127-abcdef ")
    assert shown[1].endswith(" ended in part")
    assert "".join(shown[1:]).count("a") == 20 + "20261127-abcdef ended in part".count("a")
    assert [line.strip().strip("a") for line in shown[2:]] == [""] * (len(shown) - 2)
