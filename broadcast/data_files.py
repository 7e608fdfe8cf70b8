"""Small tables and objects that are data: each is a file that stands beside its module."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any


def rows(module: str, name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV table beside *module*, which is the ``__file__`` of its reader."""
    with Path(module).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parsed(module: str, name: str) -> Any:  # noqa: ANN401 - whatever JSON says
    """Return what a JSON file beside *module* says."""
    return json.loads(Path(module).with_name(name).read_text("utf-8"))
