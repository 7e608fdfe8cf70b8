"""What an article names lies beside it: one that was sent to us takes none of our files along."""

from __future__ import annotations

from pathlib import Path

from broadcast.errors import ArticleError


def beside(folder: Path, name: str, *, where: str) -> Path:
    """Return the path of *name* in *folder* or below. Raises ArticleError for any other place."""
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL in the name
        inside = False
    if not inside:
        raise ArticleError("error.article.outside", where=where, file=name)
    return path
