"""Shifts SQLite's clock: Python runs this at its start where `tests.kit.clock` asks for it.

Everything that this system decides, it decides by the clock of its database, so this is the one
place where another time can be put in.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

#: The path of a file that holds the shift in seconds.
VARIABLE = "TESTS_CLOCK_SHIFT_FILE"


def shift(engine: Any, file: Path) -> None:
    """Let connections that *engine*, one or all of them, opens from now on ask our clock."""

    def connect(dbapi: Any, _record: object) -> None:
        dbapi.create_function("strftime", 2, strftime)

    def strftime(form: str, moment: str) -> str:
        if (form, moment) != ("%Y-%m-%d %H:%M:%f000", "now"):
            message = f"not the clock of models.engine: {form!r}, {moment!r}"
            raise ValueError(message)
        shifted = datetime.now(UTC) + timedelta(seconds=float(file.read_text()))
        return f"{shifted:%Y-%m-%d %H:%M:%S.%f}"

    event.listen(engine, "connect", connect)


if VARIABLE in os.environ:
    shift(Engine, Path(os.environ[VARIABLE]))
