"""Requests in the outbox become broadcasts, by the door that every program uses.

A worker that is killed anywhere in between leaves the request in the outbox: the next one submits
it again, and the key finds what there is already.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import Final

from broadcast import names
from broadcast.logs.log_lines import ENGLISH
from broadcast.message import Message
from broadcast.rules.dead_letters import LetterSource
from broadcast.views.program_words import refusal
from models.ledger.boxes import outbox
from models.ledger.boxes.outbox import Posted
from producer.request import incoming
from worker import program_door
from worker.delivery.crew import Crew
from worker.program_door import PlanInline
from worker.wake import wake
from worker.wiring import WorkerParts, stopping

log = logging.getLogger(__name__)

#: Of one look, which sorts whatever waits.
_MOST: Final = 200


class Requests(Crew[Posted]):
    """Submits the requests of the outbox, least tried first."""

    what = "what waits in the outbox is submitted"
    #: Each waits for the database's disk most of its time.
    at_once = 4

    def __init__(self, here: WorkerParts) -> None:
        """*here*: this process's parts."""
        super().__init__(stopping=stopping)
        self._here = here
        self._posted = self._reserve_each()

    def _reserve_each(self) -> Iterator[Posted]:
        engine = self._here.engine
        while due := outbox.due(engine, accounts=self._here.accounts, most=_MOST):
            for row_id in due:
                posted = outbox.reserve_request(engine, row_id)
                if posted is not None:
                    yield posted

    def _reserve(self, busy: Collection[str]) -> Posted | None:
        del busy
        posted = next(self._posted, None)
        if posted is None:
            self._posted = self._reserve_each()
        return posted

    def _do(self, taken: Posted) -> None:
        def submit(waker: PlanInline) -> None:
            found = incoming.parse_text(taken.body)
            program_door.submit(
                self._here,
                found.request,
                key=found.key,
                who=taken.who,
                waker=waker,
                waiting_since=taken.created_at,
            )
            outbox.remove_request(self._here.engine, taken.id)

        reason = program_door.refusal_of(submit, "a broadcast of the outbox")
        if reason is not None:
            _store_dead_letter(self._here, taken, reason)


def waits_elsewhere(here: WorkerParts) -> bool:
    """Return whether something waits for a worker with other accounts. Raises OutOfReachError."""
    return outbox.note_requests_elsewhere(here.engine, accounts=here.accounts, most=_MOST)


def _store_dead_letter(here: WorkerParts, posted: Posted, reason: Message) -> None:
    value = incoming.value_of(posted.body)
    letter = incoming.letter(LetterSource.OUTBOX, reason, text=posted.body, value=value)
    letter_id = outbox.move_to_dead_letters(here.engine, posted.id, letter)
    if letter_id is not None:
        log.error("dead letter %s: %s", letter_id, refusal(reason, ENGLISH))
        wake(names.REPORT, "letter", letter_id)
