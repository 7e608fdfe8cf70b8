"""Rehearsals of campaigns, in a thread beside those of the tasks: no launch waits for one.

Each has an end: that of its calls, one after the other. A killed worker leaves it to the next.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from broadcast.errors import DatabaseAwayError, OutOfReachError
from broadcast.message import Message
from broadcast.rules.campaigns.rehearsals import Run
from models.ledger.campaigns import rehearsal_rows
from producer.campaigns import rehearsing
from producer.request.door import SubmitService
from producer.wiring.wechat import ClientChecks, QuotaWithReason
from worker.delivery.crew import Crew
from worker.program_door import PlanInline
from worker.wiring import WorkerParts, stopping

log = logging.getLogger(__name__)

#: After one that was not answered nothing is rehearsed for a while.
_REST_S: Final = 60.0


class Rehearsals(Crew[Run]):
    """Rehearses runs, one after the other."""

    what = "campaigns are rehearsed"
    at_once = 1

    def __init__(self, here: WorkerParts) -> None:
        """*here*: this process's parts."""
        super().__init__(stopping=stopping)
        self._here = here
        self._runs: Iterator[Run] = iter(())
        #: By the clock of this process.
        self._rests_until = 0.0

    def start_due(self) -> None:
        """Make the rehearsals that have come, unless this process is at it.

        Raises OutOfReachError.
        """
        if not self._threads and time.monotonic() >= self._rests_until:
            runs = rehearsal_rows.missing(self._here.engine, accounts=self._here.accounts)
            self._runs = iter(runs)
            if runs:
                self.start()

    def _reserve(self, busy: Collection[str]) -> Run | None:
        del busy
        return next(self._runs, None)

    def _do(self, taken: Run) -> None:
        try:
            rehearsal_rows.record(self._here.engine, taken, self._findings(taken))
        except OutOfReachError as error:
            log.warning("campaign %s is rehearsed later: %s", taken.campaign.name, error)
            self._rests_until = time.monotonic() + _REST_S

    def _findings(self, run: Run) -> Sequence[Message]:
        here = self._here
        door = SubmitService(
            settings=here.settings,
            engine=here.engine,
            quota=QuotaWithReason(here.wechat),
            waker=PlanInline(),
            looks=ClientChecks(here.wechat),
        )
        try:
            return rehearsing.rehearse(
                run.campaign,
                run.due_at,
                door=door,
                wechat=here.wechat,
                by_worker=True,
                unheard=OutOfReachError if run.may_wait else DatabaseAwayError,
            )
        except OutOfReachError:
            raise
        except Exception as error:
            # It would be tried for ever, and keep others from theirs.
            log.exception("campaign %s cannot be rehearsed", run.campaign.name)
            return [Message("error.dead.failed", kind=type(error).__name__)]
