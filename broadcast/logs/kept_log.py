"""The file of a log, of which a few older ones are kept."""

from __future__ import annotations

import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 10_000_000
#: ``worker.log.1`` to ``worker.log.4``, beside ``worker.log``.
OLDER_FILES: Final = 4
#: What a start may write before somebody has read that it is ready.
ROOM_BYTES: Final = 1_000_000


class KeptLog(RotatingFileHandler):
    """Goes on where the last start ended, and begins a new file when one is full."""

    def __init__(self, file: Path, *, most_bytes: int = MOST_BYTES, delay: bool = False) -> None:
        """Open *file*, unless *delay*, which leaves that to the first record."""
        super().__init__(
            file, maxBytes=most_bytes, backupCount=OLDER_FILES, encoding="utf-8", delay=delay
        )

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Begin a new file, and take standard output and error along where they went to the old.

        What goes past logging, such as the traceback of a crash, is looked for in the newest.
        """
        followers = [number for number in (1, 2) if self._receives(number)]
        super().doRollover()
        if self.stream is not None:
            for number in followers:
                os.dup2(self.stream.fileno(), number)

    def _receives(self, number: int) -> bool:
        try:
            return self.stream is not None and os.path.sameopenfile(self.stream.fileno(), number)
        except OSError:
            # That one is closed.
            return False


def make_room(file: Path, *, most_bytes: int = MOST_BYTES) -> None:
    """Rotate *file* where it is larger than *most_bytes*; the next writer begins a new one.

    For a program that has not started yet, or that opens its log anew for each line.
    """
    if file.exists() and file.stat().st_size > most_bytes:
        mover = KeptLog(file, delay=True)
        mover.doRollover()
        mover.close()
