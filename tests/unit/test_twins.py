"""Each page that exists in both languages says the same in both, as far as a machine can tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadcast.settings.program_settings import Settings
from models.ledger.audit.case import Check
from tests.unit import test_docs

ROOT = Path(__file__).resolve().parents[2]
TWINS = [f"docs/{name}" for name in test_docs.TWINS]
#: What is shown or typed in the page's own language, by the English words.
SAID = {
    "--draft 'News {date}'": "--draft '上新 {date}'",
    "--exclude 'tag:VIP customers'": "--exclude tag:会员",
    "Authorization: Bearer KEY": "Authorization: Bearer 密钥",
    "broadcast api-keys new NAME": "broadcast api-keys new 名称",
    "broadcast api-keys new NAME --scope SCOPE": "broadcast api-keys new 名称 --scope SCOPE",
    "in doubt": "存疑",
    "refused 45008": "被拒绝 45008",
    "tomorrow": "明天",
    "zur3yc 3-40/120 accepted": "zur3yc 3-40/120 已受理",
    "zur3yc 3/12 accepted": "zur3yc 3/12 已受理",
    "→ A or → B": "→ A 或 → B",
    "→ A · If … → B": "→ A · 如果…… → B",
}
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def pages(name: str) -> list[str]:
    """Return the English page and its Chinese twin, with what is said in English on both."""
    both = [
        (ROOT / one).read_text(encoding="utf-8") for one in (name, name.replace(".md", ".zh.md"))
    ]
    for words, said in SAID.items():
        both = [page.replace(f"`{said}`", f"`{words}`") for page in both]
    return both


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
