"""The lines between two ``---`` at the head of a Markdown file: what is not the text itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from broadcast.errors import ArticleError

FENCE: Final = "---"
#: What may stand there.
KEYS: Final = ("title", "author", "digest", "cover", "source_url", "comments")


def split(text: str, *, where: str) -> tuple[Mapping[str, str], str]:
    """Return the fields and the text behind them. Raises ArticleError naming a wrong line."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != FENCE:
        return {}, text
    ends = [n for n, line in enumerate(lines[1:], start=1) if line.strip() == FENCE]
    if not ends:
        raise ArticleError("error.article.front_matter_open", where=where)
    fields: dict[str, str] = {}
    for n, line in enumerate(lines[1 : ends[0]], start=2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, there, value = line.partition(":")
        name = name.strip()
        if not there or name not in KEYS or name in fields:
            raise ArticleError(
                "error.article.front_matter", where=where, line=n, known=", ".join(KEYS)
            )
        fields[name] = _unquoted(value.strip())
    return fields, "\n".join(lines[ends[0] + 1 :])


def _unquoted(value: str) -> str:
    for quote in ('"', "'"):
        if len(value) > 1 and value.startswith(quote) and value.endswith(quote):
            return value[1:-1]
    return value
