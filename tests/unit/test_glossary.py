"""The glossary is the law: no text, comment or name uses a word that it retired."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from broadcast.views.texts import LANGUAGES, LOCALE_DIR
from tools import packages

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
#: Names in WeChat's console are WeChat's.
CONSOLE = re.compile("「[^」]*」")
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \|$", re.MULTILINE)

#: It lists the retired words themselves.
OTHER_PAGES = {"glossary.md"}
PAGES = [
    *(ROOT / name for name in ("README.md", "README.zh.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in OTHER_PAGES),
]
#: Code, what WeChat's console calls its own pages, and the tables by errcode of the quickstarts.
QUOTED = re.compile(
    r"^```.*?^```$|`[^`\n]+`|「[^」]*」|^\| (?:it says|[\d、, ]+) \|[^\n]*$",
    re.MULTILINE | re.DOTALL,
)

PACKAGES = (*packages.PACKAGES, "migrations")

#: No function and no class is called so: the name does not say what it does or is.
RETIRED_NAMES = {
    "again",
    "became",
    "ending",
    "given",
    "heard",
    "judged",
    "know",
    "known",
    "let_go_on",
    "look",
    "looks",
    "mine",
    "of",
    "passing",
    "place",
    "said",
    "take",
    "there",
    "together",
    "told",
    "weigh",
    "wish",
}
#: No name has these words: the field's own nouns and verbs say more.
RETIRED_IN_NAMES = {"anew", "buried", "bury", "flip", "heed", "meet", "shelf", "told"}


def retired() -> list[str]:
    """Return every word of the glossary's last table."""
    rows = ROW.findall(GLOSSARY.partition("## Retired words")[2])[1:]
    return [word for row in rows if row.strip("- ") for word in row.split(", ")]


def found(word: str, text: str) -> bool:
    """Return whether a text has the word; an English one whole, in upper or lower case."""
    if word.isascii():
        return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None
    return word in text


def comments(source: str) -> Iterator[str]:
    """Yield the comments and the docstrings of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def retired_names(source: str) -> Iterator[str]:
    """Yield the names of a module's functions and classes that are retired."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = words_of(node.name)
            if "_".join(words) in RETIRED_NAMES or RETIRED_IN_NAMES & {*words}:
                yield node.name


def identifiers(source: str) -> Iterator[str]:
    """Yield every name that a module gives: to functions, classes, arguments and values."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.ClassDef(name=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
            ):
                yield name
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def words_of(name: str) -> list[str]:
    """Return the words of an identifier."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]


def catalogue(lang: str) -> dict[str, str]:
    with (LOCALE_DIR / lang / "LC_MESSAGES" / "broadcast.po").open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}


def documents() -> dict[str, str]:
    """Return every document for those who run the program."""
    files = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")]
    return {file.name: file.read_text("utf-8") for file in files if file.name != "glossary.md"}


def test_the_table_is_read() -> None:
    assert {"stands still", "told", "帐号"} <= set(retired())
    assert found("told", "You are Told so")
    assert not found("mend", "recommended")


def test_comments_and_docstrings_are_read() -> None:
    source = '"""One."""\n#: two\ndef f():\n    """Three."""\n    return "four"  # five\n'

    assert [text for text in comments(source) if text] == ["#: two", "# five", "One.", "Three."]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_of_the_program_uses_a_retired_word(lang: str) -> None:
    assert [
        (entry, word)
        for entry, text in catalogue(lang).items()
        for word in retired()
        if found(word, text)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_uses_a_retired_word(page: Path) -> None:
    text = QUOTED.sub("", page.read_text(encoding="utf-8"))

    assert [word for word in retired() if found(word, text)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_comment_or_docstring_uses_a_retired_word(package: str) -> None:
    files = {str(file.relative_to(ROOT)): file for file in (ROOT / package).rglob("*.py")}

    assert [
        (name, word, text)
        for name, file in sorted(files.items())
        for text in comments(file.read_text(encoding="utf-8"))
        for word in retired()
        if found(word, text)
    ] == []


def test_names_are_read() -> None:
    source = "class _Look: ...\nclass LookUp:\n    def take(self): ...\ndef prove_anew(): ...\n"

    assert list(retired_names(source)) == ["_Look", "prove_anew", "take"]


@pytest.mark.parametrize("package", packages.OURS)
def test_no_function_and_no_class_has_a_retired_name(package: str) -> None:
    assert [
        (str(file.relative_to(ROOT)), name)
        for file in sorted((ROOT / package).rglob("*.py"))
        for name in retired_names(file.read_text(encoding="utf-8"))
    ] == []


def test_every_name_is_read() -> None:
    source = (
        "import a as WHITE_LIST\ndef f(told=1):\n    self.for_good = x.mend\n    by_itself = 2\n"
    )

    assert list(identifiers(source)) == ["f", "WHITE_LIST", "told", "for_good", "by_itself"]


@pytest.mark.parametrize("package", packages.OURS)
def test_no_name_has_a_word_that_the_glossary_retired(package: str) -> None:
    words = [word for word in retired() if word.isascii()]

    assert [
        (str(file.relative_to(ROOT)), name)
        for file in sorted((ROOT / package).rglob("*.py"))
        for name in sorted({*identifiers(file.read_text(encoding="utf-8"))})
        if any(found(word, " ".join(words_of(name))) for word in words)
    ] == []


def test_what_wechat_s_pages_are_called_is_on_the_list() -> None:
    """Where an operator must look is a name that WeChat's own pages have today."""
    names = set(re.findall(r"^\| (「[^」]+」) \|", GLOSSARY, re.MULTILINE))
    texts = documents() | {
        f"{lang} {i}": t for lang in LANGUAGES for i, t in catalogue(lang).items()
    }
    used = {where: set(re.findall(r"「[^」]+」", text)) for where, text in texts.items()}

    assert {where: each - names for where, each in used.items() if each - names} == {}
    assert set().union(*used.values()) == names


@pytest.mark.parametrize("word", ["群发记录", "群发功能", "基本配置"])
def test_no_document_uses_a_name_that_wechat_s_pages_no_longer_have(word: str) -> None:
    assert word in retired()
    assert [name for name, text in documents().items() if word in text] == []
