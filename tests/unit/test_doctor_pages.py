"""The pages of `broadcast doctor` list each finding, as the program has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadcast.rules.findings import REPAIRED, WARNINGS, Fault

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| ?(\S*) \| \S", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "warning", "error", "yes"),
    [("doctor.md", "warning", "error", "yes"), ("doctor.zh.md", "提醒", "错误", "可以")],
)
def test_the_table_has_each_finding_with_its_weight_and_whether_its_command_repairs_it(
    page: str, warning: str, error: str, yes: str
) -> None:
    rows = ROW.findall((DOCS / page).read_text("utf-8"))

    assert rows == [
        (
            fault.value,
            warning if fault in WARNINGS else error,
            yes if fault in REPAIRED else "",
        )
        for fault in Fault
    ]
