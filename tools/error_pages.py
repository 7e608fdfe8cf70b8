"""Writes ``docs/api-errors.md`` and its twin: every error that the HTTP API answers with.

Usage: python -m tools.error_pages [--check]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broadcast.views.texts import Language, Texts
from entrypoints.http import error_pages
from tools import made_pages

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILES: Final[dict[Language, Path]] = {
    "en": DOCS / "api-errors.md",
    "zh": DOCS / "api-errors.zh.md",
}
_TWINS: Final[dict[Language, str]] = {
    "en": "[中文](api-errors.zh.md)",
    "zh": "[English](api-errors.md)",
}
_WORDS: Final[dict[Language, str]] = {
    "en": "A running API shows this page at `/docs/errors`. More on requests: "
    "[HTTP](api.md). This page is made by `make cli-docs`.",
    "zh": "运行中的 API 在 `/docs/errors` 显示本页。请求的说明见 [HTTP](api.zh.md)。"
    "本页由 `make cli-docs` 生成。",
}


def document(lang: Language) -> str:
    """Return the page in one language."""
    return "\n".join(_lines(lang)) + "\n"


def _lines(lang: Language) -> Iterator[str]:
    texts = Texts(lang)
    heads = [texts(f"api.errors.head.{name}") for name in ("error", "detail", "fix")]
    yield f"# {texts('api.errors.title')}\n\n{_TWINS[lang]}\n"
    between = " " if lang == "en" else ""
    yield f"{texts('api.errors.intro')}{between}{_WORDS[lang]}"
    for subject, lines in error_pages.page(lang):
        yield f"\n## {subject}\n"
        yield f"| {' | '.join(heads)} |\n| --- | --- | --- |"
        for line in lines:
            place = f'<a id="{line.id}"></a>`{line.id}` {line.status}'
            yield f"| {place} | {_cell(line.detail)} | {_cell(line.fix)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    made_pages.write(FILES, document)
