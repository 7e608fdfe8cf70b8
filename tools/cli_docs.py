"""Writes ``docs/cli.md`` and ``docs/cli.zh.md``: the help of every command, as a terminal shows it.

Usage: python -m tools.cli_docs [--check]
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broadcast.views.texts import Language, Texts
from entrypoints.cli import main
from entrypoints.cli.group import SUBJECTS
from tools import made_pages

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILES: Final[dict[Language, Path]] = {"en": DOCS / "cli.md", "zh": DOCS / "cli.zh.md"}
COLUMNS = "100"
HEADS: Final[dict[Language, str]] = {
    "en": "# The command line\n\nEvery command as `broadcast help` shows it. "
    "This page is made by `make cli-docs`.\n",
    "zh": "# 命令行\n\n每个命令的帮助，与 `broadcast help` 的输出相同。"
    "本页由 `make cli-docs` 生成。\n",
}


def document(lang: Language) -> str:
    """Return the document in one language."""
    return "\n".join(_lines(lang)) + "\n"


def _lines(lang: Language) -> Iterator[str]:
    texts = Texts(lang)
    yield HEADS[lang]
    yield _fenced(shown(lang))
    for subject, commands in SUBJECTS.items():
        yield f"\n## {texts(f'help.subject.{subject}')}"
        for name in commands:
            yield f"\n### `broadcast {name}`\n"
            yield _fenced(shown(lang, name))


def shown(lang: Language, *words: str) -> str:
    """Return what ``broadcast help`` prints."""
    os.environ |= {"BROADCAST_LANG": lang, "COLUMNS": COLUMNS}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main.run(["help", *words])
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"


if __name__ == "__main__":
    made_pages.write(FILES, document)
