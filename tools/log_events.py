"""Writes the table of events in the pages about logs, from the lines that the code logs.

Usage: python -m tools.log_events [--check]
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broadcast.logs.log_format import event_of
from broadcast.views.texts import Language
from tools import made_pages
from tools.packages import OURS, ROOT

DOCS = ROOT / "docs"
FILES: Final[dict[Language, Path]] = {"en": DOCS / "logs.md", "zh": DOCS / "logs.zh.md"}
LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
_TABLE = re.compile(r"(?<=\| --- \| --- \| --- \|\n)(?:\| `.*\n)*\Z")


def document(lang: Language) -> str:
    """Return a page with its table as it should be."""
    rows = "".join(
        f"| `{event}` | {level} | `{logger}` |\n" for event, level, logger in sorted({*events()})
    )
    return _TABLE.sub(lambda _: rows, FILES[lang].read_text("utf-8"))


def events() -> Iterator[tuple[str, str, str]]:
    """Yield event, level and logger of each line whose words stand in the code."""
    for package in OURS:
        for file in (ROOT / package).rglob("*.py"):
            logger = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if found := _logged(node):
                    yield *found, logger


def _logged(node: ast.AST) -> tuple[str, str] | None:
    """Return event and level where *node* is a call such as ``log.info("…")``."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="log"), attr=level),
            args=[ast.Constant(value=str(words)), *_],
        ) if level in LEVELS and (event := event_of(words)):
            return event, LEVELS[level]
    return None


if __name__ == "__main__":
    made_pages.write(FILES, document)
