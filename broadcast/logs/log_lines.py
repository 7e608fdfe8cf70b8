"""The worker's words: in the person's language where it refuses to start, in English in its log.

The catalogue is asked here alone, at the edge: whatever is logged or raised carries ids and facts.
"""

from __future__ import annotations

import logging
import sys
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
