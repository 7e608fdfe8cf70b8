"""Shifts SQLite's clock: Python runs this at its start where `tests.kit.clock` asks for it.

Everything that this system decides, it decides by the clock of its database, so this is the one
place where another time can be put in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

#: The path of a file that holds the shift in seconds, or the moment at which the clock stands.
VARIABLE = "TESTS_CLOCK_SHIFT_FILE"
STILL = "still "


def shift(engine: Any, file: Path) -> Callable[[Any, object], None]:
    """Let connections that *engine*, one or all of them, opens from now on ask our clock.

    Return what SQLAlchemy's ``event.remove`` takes to end that.
    """

    def connect(dbapi: Any, _record: object) -> None:
        dbapi.create_function("strftime", 2, strftime)

    def strftime(form: str, moment: str) -> str:
        if (form, moment) != ("%Y-%m-%d %H:%M:%f000", "now"):
            message = f"not the clock of models.engine: {form!r}, {moment!r}"
            raise ValueError(message)
        return f"{_moment(file.read_text()):%Y-%m-%d %H:%M:%S.%f}"

    event.listen(engine, "connect", connect)
    return connect


def _moment(said: str) -> datetime:
    if said.startswith(STILL):
        return datetime.fromisoformat(said.removeprefix(STILL))
    return datetime.now(UTC) + timedelta(seconds=float(said))


if VARIABLE in os.environ:
    shift(Engine, Path(os.environ[VARIABLE]))
