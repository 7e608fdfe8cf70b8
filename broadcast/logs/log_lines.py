"""The worker's words: in the person's language where it refuses to start, in English in its log.

The catalogue is asked here alone, at the edge: whatever is logged or raised carries ids and facts.
"""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, NoReturn

from broadcast.errors import BroadcastError
from broadcast.message import Message
from broadcast.settings import environment
from broadcast.views.texts import Texts, choose_language

ENGLISH: Final = Texts("en")


def refuse(what: Message | BroadcastError, *, status: int) -> NoReturn:
    """End the process with one line and *status*; logging is not set up yet."""
    announce(what)
    sys.exit(status)


def announce(what: Message | BroadcastError) -> None:
    """Print one line for whoever starts the process."""
    texts = Texts(choose_language(environment.read()))
    print(texts(what), file=sys.stderr)  # noqa: T201


class InEnglish(logging.Filter):
    """Writes the messages and errors among a record's arguments in English; keeps every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace ids and facts by words."""
        # A record that held a secret has been masked, and has no arguments any more.
        if isinstance(record.args, tuple):
            record.args = tuple(map(_in_english, record.args))
        return True


def _in_english(argument: object) -> object:
    return ENGLISH(argument) if isinstance(argument, Message | BroadcastError) else argument


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
