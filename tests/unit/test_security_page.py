"""The page on attacks names tests that there are, and each attack names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("security.md", "security.zh.md")
NAMED = re.compile(r"`(test_\w+)`")


def rows(name: str) -> list[str]:
    """The rows of the tables with tests, without their heads."""
    found = []
    for section in (ROOT / "docs" / name).read_text("utf-8").split("\n## ")[2:]:
        found += [line for line in section.splitlines() if line.startswith("| ")][2:]
    return found


@pytest.mark.parametrize("name", PAGES)
def test_each_attack_names_a_test_that_there_is(name: str) -> None:
    defined = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(
            re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
        )

    assert len(rows(name)) > 30
    assert [row for row in rows(name) if not NAMED.search(row.split(" | ")[-1])] == []
    assert {test for row in rows(name) for test in NAMED.findall(row)} - defined == set()


def test_both_languages_name_the_same_tests_in_the_same_order() -> None:
    english, chinese = ([NAMED.findall(row) for row in rows(name)] for name in PAGES)

    assert english == chinese


def test_each_attack_on_the_running_api_is_on_the_page() -> None:
    files = [ROOT / f"tests/integration/http/{name}.py" for name in ("test_attacks", "test_crowds")]
    attacks = "".join(file.read_text("utf-8") for file in files)
    page = (ROOT / "docs/security.md").read_text("utf-8")

    assert (
        set(re.findall(r"^def (test_\w+)", attacks, re.MULTILINE)) - set(NAMED.findall(page))
        == set()
    )
