"""The documents: short READMEs, the same pages in both languages, links that lead somewhere."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from entrypoints.cli import main
from tests.docs.pages import steps
from tools.packages import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
READMES = ("README.md", "README.zh.md")
#: In one language, or in both on one page.
ONE_PAGE = {
    "cli.md",  # made from the help, in both languages
    "glossary.md",  # bilingual
    "wechat-api.md",  # what WeChat's own pages say
}
TWINS = sorted(
    page.name for page in DOCS.glob("*.md") if ".zh." not in page.name and page.name not in ONE_PAGE
)
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md")], key=lambda page: page.relative_to(ROOT).as_posix()
)
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = ("http://", "https://", "mailto:")
#: A file or a folder of this repository, by its path from the root.
PLACE = re.compile(
    r"`((?:" + "|".join((*PACKAGES, "migrations", "tests", "tools")) + r")/[\w./*-]*)`"
)
#: A cell of a table that names packages, and what stands behind it.
ROW = re.compile(r"^\| (`[\w/]+/`[^|]*) \|(.*)$", re.MULTILINE)
FILE = re.compile(r"`([\w/]+\.py)`")
SPAN = re.compile(r"`([^`\n]+)`")
#: A command line of ours in code: on a line of its own, behind another one, or in a container.
NAMED = re.compile(
    r"(?:^ *(?:\$ )?|&& |\| |→ |=\S* |worker |bin/)(broadcast [a-z][^\n|>#]*)", re.MULTILINE
)
#: What is said in the page's language.
QUOTED = re.compile(r"'[^']*'")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return BLOCK.sub("", page.read_text("utf-8"))


def levels(page: Path) -> list[int]:
    return [len(marks) for marks, _ in HEADING.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """Return the names by which headings are linked to."""
    titles = [re.sub(r"[`*]|\]\([^)]*\)", "", title) for _, title in HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(page: Path) -> list[str]:
    """Return what is typed in a page, without words in its language."""
    blocks = BLOCK.findall(page.read_text("utf-8"))
    return [
        QUOTED.sub("''", step.command)
        for kind, text in blocks
        if kind == "console"
        for step in steps("\n".join(line.strip() for line in text.splitlines()))
    ]


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere in this repository."""
    wrong = []
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if link.startswith(ELSEWHERE):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_two_screens_long(name: str) -> None:
    assert len((ROOT / name).read_text("utf-8").splitlines()) <= 82


@pytest.mark.parametrize("name", TWINS)
def test_a_page_has_a_twin_with_the_same_headings_and_commands(name: str) -> None:
    page = DOCS / name
    twin = page.with_suffix(".zh.md")

    assert levels(page) == levels(twin)
    assert commands(page) == commands(twin)
    assert [shape(line) for line in in_blocks(page)] == [shape(line) for line in in_blocks(twin)]


def test_no_chinese_page_lacks_the_english_one() -> None:
    alone = {page.name for page in DOCS.glob("*.zh.md")}

    assert alone - {f"{Path(name).stem}.zh.md" for name in [*TWINS, *ONE_PAGE]} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = PLACE.findall(prose(page))

    assert [place for place in named if not any(ROOT.glob(place.rstrip("/")))] == []


@pytest.mark.parametrize("name", ["architecture.md", "architecture.zh.md"])
def test_every_file_of_a_package_is_where_the_architecture_says(name: str) -> None:
    rows = ROW.findall((DOCS / name).read_text("utf-8"))
    missing = [
        (package, file)
        for package, rest in rows
        for file in FILE.findall(rest)
        if not (ROOT / package.strip("`") / file).exists() and not (ROOT / file).exists()
    ]

    assert len(rows) > 30
    assert missing == []


def test_every_command_and_option_that_a_page_names_is_there() -> None:
    # The reference is made from the help.
    pages = [page for page in PAGES if page.name not in {"cli.md", "cli.zh.md"}]
    named = [(page.name, line) for page in pages for line in [*in_blocks(page), *in_spans(page)]]

    assert len(named) > 700
    assert [(name, line) for name, line in named if unknown(line)] == []


def in_blocks(page: Path) -> list[str]:
    """Return the command lines of ours in the blocks of a page."""
    return [line for _, block in BLOCK.findall(page.read_text("utf-8")) for line in named_in(block)]


def in_spans(page: Path) -> list[str]:
    """Return those in its running text."""
    return [line for span in SPAN.findall(prose(page)) for line in named_in(span)]


def named_in(code: str) -> list[str]:
    return [line.strip() for line in NAMED.findall(code)]


@functools.cache
def root() -> Any:
    return typer.main.get_command(main._root())


def command_of(line: str) -> tuple[Any, list[str]]:
    """Return the command of a line, None where there is none, and the words that lead to it."""
    node, path = root(), []
    for word in line.split()[1:]:
        if node is None or word.startswith("-") or not hasattr(node, "get_command"):
            break
        node = node.get_command(None, word)
        path.append(word)
    return node, path


def options(line: str) -> list[str]:
    return re.findall(r"(?<= )--[a-z-]+", QUOTED.sub("''", line))


def shape(line: str) -> list[str]:
    """Return what of a command line is the same in every language."""
    return [*command_of(line)[1], *options(line)]


def unknown(line: str) -> set[str]:
    """Return the words of a command line that the program does not have."""
    node, path = command_of(line)
    if node is None:
        return {path[-1]}
    return set(options(line)) - {option for one in node.params for option in one.opts}


def test_a_command_and_an_option_that_are_not_there_are_found() -> None:
    assert unknown("broadcast sned") == {"sned"}
    assert unknown("broadcast token fetch --account shop") == {"fetch"}
    assert unknown("broadcast send --openids a.csv --txt 'a --b'") == {"--txt"}
    assert unknown("broadcast campaigns add weekly --cron '0 20 * * 5' --yes") == set()


def test_a_command_in_a_block_of_any_kind_is_read() -> None:
    lines = ("A=b broadcast demo", "docker compose exec worker broadcast sned", "x → broadcast ack")

    assert named_in("\n".join(lines)) == ["broadcast demo", "broadcast sned", "broadcast ack"]
    assert shape("broadcast send --text '开业' 照片.jpg") == ["send", "--text"]


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A `b` (c), d\n\n## 谁收到了，谁没有\n", "utf-8")
    good = "[a](there.md#a-b-c-d) [b](there.md#谁收到了谁没有) [c](https://example.com/#x)"
    (page := tmp_path / "page.md").write_text(
        f"# Top\n{good} [d](#top) [e](no.md) [f](#no)", "utf-8"
    )

    assert broken(page) == ["no.md", "#no"]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ".zh." in page.name], ids=lambda page: page.name
)
def test_a_chinese_page_leads_to_chinese_pages(page: Path) -> None:
    """But for the link to its own twin in the other language."""
    own = page.name.replace(".zh.", ".")
    linked = {link.partition("#")[0] for link in LINK.findall(prose(page))}
    english = [
        link
        for link in linked
        if link.endswith(".md")
        and not link.startswith(ELSEWHERE)
        and Path(link).name != own
        and (page.parent / link).with_suffix(".zh.md").exists()
        and ".zh." not in link
    ]

    assert english == []
