"""What SQLAlchemy compiled for one engine on SQLite serves all others of this test process.

Tests open an engine for each file, and commands that run in this process one for each command. To
compile their statements anew took a third of the time of such tests.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event

#: Tests of shapes that are made at random must not fill the memory.
MOST = 5_000


class Compiled(dict[Any, Any]):
    """By statement and kind of dialect, not by the one dialect of an engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_all(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        if len(self) >= MOST:
            self.clear()
        super().__setitem__(_of_all(key), compiled)


def _of_all(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    return (type(dialect), *rest)


COMPILED = Compiled()


def pytest_configure() -> None:
    """Let every engine of this process look there."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    # What a server is told depends on its version, which tests make up.
    if connection.dialect.name == "sqlite":
        connection.execution_options(compiled_cache=COMPILED)
