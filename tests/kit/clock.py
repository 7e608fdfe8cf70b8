"""The time by which this system decides, and WeChat's, put where a test needs them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.rules.calls import waits
from tests.kit.shifted_clock import sitecustomize

if TYPE_CHECKING:
    from tests.kit.system import System

#: As long as a test may take.
TEST = timedelta(minutes=5)


class Clock:
    """Two clocks that run as fast as the real one: the ledger's (SQLite's alone) and WeChat's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock-shift"
        self.shift(timedelta(0))

    @property
    def settings(self) -> dict[str, str]:
        """The environment of processes whose ledger goes by this clock."""
        path = [str(Path(sitecustomize.__file__).parent), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            sitecustomize.VARIABLE: str(self._file),
        }

    def follow(self, system: System) -> None:
        """Let this process's own look into the ledger go by it too."""
        sitecustomize.shift(system.engine, self._file)
        system.engine.dispose()

    def put(self, system: System, moment: datetime, *, wechat: datetime | None = None) -> None:
        """Put the ledger's clock at *moment*, and WeChat's there too if nothing else is said."""
        at_wechat = (wechat or moment) - datetime.now(UTC)
        system.simulator.admin("POST", "clock", {"shift_s": at_wechat.total_seconds()})
        self.shift(moment - datetime.now(UTC))

    def leave_midnight(self, system: System) -> None:
        """Put both an hour on if the day just turned or soon will: 45009 waits minutes then."""
        now = datetime.now(UTC)
        if any(waits.just_turned(now + ahead) for ahead in (timedelta(0), TEST)):
            self.put(system, now + timedelta(hours=1))

    def shift(self, by: timedelta) -> None:
        """Put the ledger's clock so far ahead of this machine's."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{by.total_seconds()}")
        fresh.replace(self._file)
