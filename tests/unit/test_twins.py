"""Each page that exists in both languages says the same in both, as far as a machine can tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadcast.settings.program_settings import Settings
from models.ledger.audit.case import Check

ROOT = Path(__file__).resolve().parents[2]
TWINS = [
    "docs/api.md",
    "docs/architecture.md",
    "docs/celery.md",
    "docs/delivery-promise.md",
    "docs/faq.md",
    "docs/json.md",
    "docs/library.md",
    "docs/logs.md",
    "docs/moving.md",
    "docs/production.md",
    "docs/python.md",
    "docs/quickstart-wechat.md",
    "docs/security.md",
    "docs/settings.md",
]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def pages(name: str) -> list[str]:
    """Return the English page and its Chinese twin."""
    return [
        (ROOT / one).read_text(encoding="utf-8") for one in (name, name.replace(".md", ".zh.md"))
    ]


def levels(page: str) -> list[str]:
    return re.findall(r"^(#+) ", FENCED.sub("", page), re.MULTILINE)


def spans(page: str) -> set[str]:
    """Return what stands in backticks: commands, names, keys, values."""
    return set(re.findall(r"`([^`\n]+)`", FENCED.sub("", page)))


def first_cells(page: str) -> list[list[str]]:
    """Return the names that each row of a table begins with."""
    rows = re.findall(r"^\| (.*?) \|", FENCED.sub("", page), re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row) for row in rows]


@pytest.mark.parametrize("name", TWINS)
def test_each_page_links_to_its_twin_in_its_first_lines(name: str) -> None:
    english, chinese = pages(name)
    base = Path(name).stem

    assert f"[中文]({base}.zh.md)" in english.splitlines()[:3]
    assert f"[English]({base}.md)" in chinese.splitlines()[:3]


@pytest.mark.parametrize("name", TWINS)
def test_both_pages_have_the_same_headings_and_rows_in_the_same_order(name: str) -> None:
    english, chinese = pages(name)

    assert levels(english) == levels(chinese)
    assert first_cells(english) == first_cells(chinese)


@pytest.mark.parametrize("name", TWINS)
def test_both_pages_name_the_same_commands_names_and_values(name: str) -> None:
    english, chinese = pages(name)

    assert spans(english) - spans(chinese) == set()
    assert spans(chinese) - spans(english) == set()


@pytest.mark.parametrize("page", ["settings.md", "settings.zh.md"])
def test_every_setting_is_in_the_document(page: str) -> None:
    document = (ROOT / "docs" / page).read_text(encoding="utf-8")
    names = {
        field.validation_alias.choices[0]  # type: ignore[union-attr]
        for field in Settings.model_fields.values()
    }

    assert {name for name in names if f"`{name}`" not in document} == set()


def test_the_promise_names_every_check_of_the_audit_in_its_order() -> None:
    for page in pages("docs/delivery-promise.md"):
        named = [one for cells in first_cells(page) for one in cells if one in set(Check)]
        assert named == list(Check)
