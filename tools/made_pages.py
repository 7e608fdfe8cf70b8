"""Pages that `make cli-docs` makes: written, or with ``--check`` held against their files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from broadcast.views.texts import Language


def write(files: Mapping[Language, Path], document: Callable[[Language], str]) -> None:
    """Write each page that is out of date; with ``--check`` name it and end with status 1."""
    made = {path: document(lang) for lang, path in files.items()}
    stale = [
        path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    if "--check" in sys.argv:
        sys.exit(f"out of date, run make cli-docs: {', '.join(map(str, stale))}" if stale else 0)
    for path in stale:
        path.write_text(made[path], "utf-8")
