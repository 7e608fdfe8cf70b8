"""The glossary is the law: no text that a person reads uses a word that it retired."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from presentation.texts import LANGUAGES, LOCALE_DIR

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


def retired() -> list[str]:
    """Return every word of the glossary's last table."""
    rows = ROW.findall(GLOSSARY.partition("## Retired words")[2])[1:]
    return [word for row in rows if row.strip("- ") for word in row.split(", ")]


def found(word: str, text: str) -> bool:
    """Tell whether a text has the word; an English one whole, in upper or lower case."""
    if word.isascii():
        return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None
    return word in text


def test_the_table_is_read() -> None:
    assert {"stands still", "told", "帐号"} <= set(retired())
    assert found("told", "You are Told so")
    assert not found("mend", "recommended")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_of_the_program_uses_a_retired_word(lang: str) -> None:
    with (LOCALE_DIR / lang / "LC_MESSAGES" / "broadcast.po").open("rb") as file:
        texts = {entry.id: str(entry.string) for entry in read_po(file) if entry.id}

    assert [
        (entry, word) for entry, text in texts.items() for word in retired() if found(word, text)
    ] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_no_readme_uses_a_retired_word(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert [word for word in retired() if found(word, text)] == []
