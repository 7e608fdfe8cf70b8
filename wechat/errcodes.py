"""The errcodes that WeChat's lists name, as data; what each means for a batch is decided elsewhere.

``errmsg`` is WeChat's spelling, without rid and hint, its typos kept; empty where no list gives
one. ``errcodes.csv`` is the table, one code a row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

TABLE = Path(__file__).with_name("errcodes.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errcode:
    """One errcode of WeChat."""

    code: int
    errmsg: str
    meaning: str


@cache
def errcodes() -> Mapping[int, Errcode]:
    """Return every listed errcode by its number."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [
            Errcode(code=int(row["code"]), errmsg=row["errmsg"], meaning=row["meaning"])
            for row in csv.DictReader(file)
        ]
    return MappingProxyType({row.code: row for row in rows})
