"""The runs of random faults that were made: the document tells what their table holds."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.log import COLUMNS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def runs() -> list[dict[str, str]]:
    """The table, a run a row."""
    with (DOCS / "proofs" / "chaos-runs.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == list(COLUMNS)
        return list(reader)


def test_every_run_kept_the_promise(runs: list[dict[str, str]]) -> None:
    assert {run["verdict"] for run in runs} == {"kept"}


def test_no_run_is_counted_twice_and_no_seed_is_left_out(runs: list[dict[str, str]]) -> None:
    seeds = Counter((run["commit"], int(run["seed"])) for run in runs)
    assert set(seeds.values()) == {1}
    for commit in {run["commit"] for run in runs}:
        assert not commit.endswith("-dirty"), "nobody can run that again"
        of_commit = sorted(seed for where, seed in seeds if where == commit)
        assert of_commit == list(range(of_commit[0], of_commit[-1] + 1))


@pytest.mark.parametrize("page", ["proofs/random-faults.md", "reliability.md"])
def test_a_page_shows_what_the_table_holds(page: str, runs: list[dict[str, str]]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for told in (
        f"{len(runs):,} runs",
        f"{_sum(runs, 'faults')} faults",
        f"{_sum(runs, 'calls')} calls",
        f"{_sum(runs, 'sendalls')} sends to WeChat's own lists",
        f"{_sum(runs, 'in_doubt')} batches in doubt of {_sum(runs, 'batches')}",
    ):
        assert told in text


def _sum(runs: list[dict[str, str]], column: str) -> str:
    return f"{sum(int(run[column]) for run in runs):,}"
