"""Requests in the outbox become broadcasts, by the door that every program uses.

A worker that is killed anywhere in between leaves the request in the outbox: the next one submits
it again, and the key finds what there is already.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from broadcast.errors import InputError, OutOfReachError
from broadcast.logs.log_lines import ENGLISH
from broadcast.message import Message
from broadcast.rules.dead_letters import LetterSource
from broadcast.views.program_words import refusal
from models.ledger.boxes import outbox
from models.ledger.boxes.outbox import Posted
from producer.request import incoming
from worker import planner, program_door
from worker.wiring import WorkerParts

log = logging.getLogger(__name__)

#: Of one look, and how long a task goes on: other work of this worker waits for its threads.
MOST: Final = 200
SLICE_S: Final = 10.0
#: Side by side: each waits for the database's disk most of its time.
AT_ONCE: Final = 4


def submit(here: WorkerParts, *, goes_on: Callable[[], bool]) -> int:
    """Submit due requests, least tried first, for some seconds; return how many were taken.

    Raises OutOfReachError: what is left is submitted later.
    """
    ends, away = time.monotonic() + SLICE_S, threading.Event()

    def one(row_id: str) -> bool:
        if not goes_on() or time.monotonic() > ends or away.is_set():
            return False
        try:
            return _submitted(here, row_id)
        except OutOfReachError:
            away.set()
            raise

    due = outbox.due(here.engine, accounts=here.accounts, most=MOST)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return sum(threads.map(one, due))


def waits_elsewhere(here: WorkerParts) -> bool:
    """Return whether something waits for a worker with other accounts. Raises OutOfReachError."""
    return outbox.note_requests_elsewhere(here.engine, accounts=here.accounts, most=MOST)


def _submitted(here: WorkerParts, row_id: str) -> bool:
    posted = outbox.reserve_request(here.engine, row_id)
    if posted is not None:
        _close_request(here, posted)
    return posted is not None


def _close_request(here: WorkerParts, posted: Posted) -> None:
    submitted = program_door.PlanInline()
    try:
        found = incoming.parse_text(posted.body)
        program_door.submit(
            here, found.request, key=found.key, who=posted.who, waker=submitted,
            waiting_since=posted.created_at,
        )  # fmt: skip
    except InputError as error:
        _store_dead_letter(here, posted, error.message)
    except OutOfReachError:
        raise
    except Exception as error:
        # It would be tried for ever, and nobody would know.
        log.exception("a broadcast of the outbox cannot be stored")
        _store_dead_letter(here, posted, Message("error.dead.failed", kind=type(error).__name__))
    else:
        outbox.remove_request(here.engine, posted.id)
        for broadcast_id in submitted.ids:
            planner.plan(broadcast_id, just_submitted=True)


def _store_dead_letter(here: WorkerParts, posted: Posted, reason: Message) -> None:
    value = incoming.value_of(posted.body)
    letter = incoming.letter(LetterSource.OUTBOX, reason, text=posted.body, value=value)
    letter_id = outbox.move_to_dead_letters(here.engine, posted.id, letter)
    if letter_id is not None:
        log.error("dead letter %s: %s", letter_id, refusal(reason, ENGLISH))
