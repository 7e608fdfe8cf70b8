"""A clock of the ledger that stands still, for this process and for those that it starts."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event

from tests.kit.shifted_clock import sitecustomize

#: In Shanghai, in the middle of a month. In years to come, because a time to send at must also be
#: ahead of this machine's clock.
NOON: Final = datetime(2036, 3, 12, 4, tzinfo=UTC)


class Still:
    """What every connection to SQLite takes for the present moment, from its connect on."""

    def __init__(self, file: Path) -> None:
        """Keep it in *file*."""
        self._file = file
        self.now = NOON
        self.put(NOON)
        self._listener: Any = None

    @property
    def settings(self) -> dict[str, str]:
        """The environment of processes that go by it."""
        path = [str(Path(sitecustomize.__file__).parent), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            sitecustomize.VARIABLE: str(self._file),
        }

    def put(self, moment: datetime) -> None:
        """Let it show *moment*."""
        self.now = moment
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{sitecustomize.STILL}{moment.isoformat()}")
        fresh.replace(self._file)

    def pass_(self, elapsed: timedelta) -> None:
        """Let time pass."""
        self.put(self.now + elapsed)

    def begin(self) -> None:
        """Let this process's engines go by it."""
        self._listener = sitecustomize.shift(Engine, self._file)

    def end(self) -> None:
        """Let engines that connect from now on have the real time."""
        event.remove(Engine, "connect", self._listener)
