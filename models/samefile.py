"""SQLite's file: a pooled connection that is open on another file than the path's is given up.

A file that was moved away or replaced lives on for a process that has it open: a worker would go
on with a ledger that no other process sees. Once the file existed it is never created again: an
empty one in its place would keep it from being put back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

_KEY = "broadcast.file"


def watch(engine: Engine, path: Path) -> None:
    """Give up connections of *engine* once *path* is another file than the one they opened."""
    met = False

    @event.listens_for(engine, "do_connect")
    def _open(dialect: Any, _record: object, _args: object, options: dict[str, Any]) -> Any:  # noqa: ANN401
        if not met:
            return None  # The dialect opens it, and makes it.
        return dialect.connect(f"{path.as_uri()}?mode=rw", **{**options, "uri": True})

    @event.listens_for(engine, "connect")
    def _met(_dbapi: object, record: Any) -> None:  # noqa: ANN401
        nonlocal met
        met = True
        record.info[_KEY] = _identity(path)

    @event.listens_for(engine, "checkout")
    def _compare(_dbapi: object, record: Any, _proxy: object) -> None:  # noqa: ANN401
        if record.info[_KEY] != _identity(path):
            raise DisconnectionError(f"{path} is another file by now")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
