"""Looks into a database that are made once somebody has written to it, not ten times a second.

A look at a broadcast takes ten milliseconds of a core that the workers could use; to ask SQLite
whether another connection has written takes none.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from sqlalchemy import make_url

#: What is seen may depend on the clock, too, and the file may be another one by now.
UNSEEN_S = 0.5

T = TypeVar("T")


@contextmanager
def after_writes(url: str, look: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Give a look that tells what the last one told until somebody has written, or 0.5 s long."""
    database = make_url(url)
    if database.get_backend_name() != "sqlite":
        yield look
        return
    with closing(sqlite3.connect(f"file:{database.database}?mode=rw", uri=True)) as connection:
        looked_s, version, told = 0.0, None, None

        def seen() -> T:
            nonlocal looked_s, version, told
            found = _version(connection)
            if found is None or found != version or time.monotonic() - looked_s > UNSEEN_S:
                version = None  # a look that fails is made again
                looked_s, told = time.monotonic(), look()
                version = found
            return told

        yield seen


def _version(connection: sqlite3.Connection) -> int | None:
    """Return a number that changes with each write of another connection, if it can be read."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error:
        return None
