"""Dead letters as a worker keeps them: bad requests, and what is no message of a task at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from broadcast.dead_letters import Letter, LetterSource
from broadcast.message import Message
from models.ledger import dead_letters
from presentation.for_programs import refusal
from producer.request import incoming
from worker.wiring import parts
from worker.wording import ENGLISH

log = logging.getLogger(__name__)

#: Before it is tried again while the database is away.
PAUSE_S: Final = 5.0


def bury(letter: Letter) -> str:
    """Keep *letter*; return its id. Raises OutOfReachError."""
    letter_id = dead_letters.keep(parts().engine, letter)
    log.error("dead letter %s: %s", letter_id, refusal(letter.reason, ENGLISH))
    return letter_id


def bury_unread(body: str, why: str) -> str:
    """Keep what stood in the queue and is no message of a task; return its id.

    Raises OutOfReachError.
    """
    reason = Message("error.dead.no_message", problem=why)
    return bury(incoming.letter(LetterSource.CELERY, reason, text=body, value=None))


def later(work: Callable[[], None]) -> None:
    """Run *work* after a pause, in a thread that does not keep the process alive."""
    timer = threading.Timer(PAUSE_S, work)
    timer.daemon = True
    timer.start()
