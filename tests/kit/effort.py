"""What an engine is asked, and how much SQLite does for it: the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event

#: Instructions of SQLite's machine between two looks.
_GRAIN = 10


@dataclass(frozen=True, slots=True)
class Effort:
    """Of one piece of work."""

    statements: int
    #: Instructions of SQLite's machine; about ten for a row that is read. None of other databases.
    instructions: int


class Effortmeter:
    """Counts what an engine does from its first connection on."""

    def __init__(self, engine: Engine) -> None:
        self._statements = self._instructions = 0
        event.listen(engine, "before_cursor_execute", self._statement)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", self._connect)

    def of(self, work: Callable[[], object]) -> Effort:
        """Do *work*; return what it took."""
        self._statements = self._instructions = 0
        work()
        return Effort(self._statements, self._instructions)

    def _statement(self, *_: object) -> None:
        self._statements += 1

    def _connect(self, dbapi: Any, _record: object) -> None:
        dbapi.set_progress_handler(self._instruction, _GRAIN)

    def _instruction(self) -> int:
        self._instructions += _GRAIN
        return 0
