"""The worker's words: in the person's language where it refuses to start, in English in its log.

The catalogue is asked here alone, at the edge: whatever is logged or raised carries ids and facts.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, NoReturn

from broadcast.errors import BroadcastError
from broadcast.logs import request_ids
from broadcast.message import Message
from broadcast.settings import environment
from broadcast.views.texts import Texts, choose_language

ENGLISH: Final = Texts("en")


def refuse(what: Message | BroadcastError, *, status: int) -> NoReturn:
    """End the process with one line and *status*; logging is not set up yet."""
    texts = Texts(choose_language(environment.read()))
    print(texts(what), file=sys.stderr)  # noqa: T201
    sys.exit(status)


class InEnglish(logging.Filter):
    """Gives the messages and errors among a record's arguments their words; keeps every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put words in place of ids and facts."""
        # A record that held a secret has been masked, and has no arguments any more.
        if isinstance(record.args, tuple):
            record.args = tuple(map(_in_english, record.args))
        return True


class OfRequest(logging.Filter):
    """Says of each record for whose request it is, where it is for one's; keeps every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Give the record what its line ends with."""
        request_id = request_ids.current.get() or request_ids.woken_by.get()
        record.request = "" if request_id is None else f" request={request_id}"
        return True


def _in_english(argument: object) -> object:
    return ENGLISH(argument) if isinstance(argument, Message | BroadcastError) else argument
