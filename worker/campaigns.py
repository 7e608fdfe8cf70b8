"""Campaigns: due times are decided, and what is begun becomes a broadcast.

A worker that is killed anywhere leaves a launch that is begun: the next one takes it up, for as
long as the campaign wants it launched late.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Collection, Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import Engine

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import OutOfReachError
from broadcast.logs.log_lines import ENGLISH
from broadcast.views.program_words import refusal
from models.ledger.campaigns import due_launches, launch_rows
from models.ledger.campaigns.launch_rows import NotBegunError, ReservedLaunch
from producer.campaigns import launching
from worker import program_door
from worker.delivery.crew import Crew
from worker.program_door import PlanInline
from worker.wiring import WorkerParts, stopping

log = logging.getLogger(__name__)

#: A third of the time after which others take it.
_RENEWED_EVERY: Final = due_launches.TAKEN_FOR / 3
#: A list of millions, and the pictures of an article; what hangs is missed then.
_LONGEST: Final = timedelta(hours=1)


def launch(here: WorkerParts) -> int:
    """Decide due times, and start to launch what is begun; return how many waited.

    Rehearsals that have come begin beside it. Raises OutOfReachError: what is left is launched
    later.
    """
    # What is due here may have been launched by the database of which this is a copy.
    accounts = here.accounts.keys() - here.database_check.watch(here.accounts)
    due_launches.decide_due(here.engine)
    begun = due_launches.to_launch(here.engine, accounts=accounts)
    if begun:
        failpoint(Point.LAUNCH_DECIDED)
        here.launches.accounts = accounts
        here.launches.start()
    for launch_id in due_launches.to_decide(here.engine):
        with _keeping_no_other("launch %d cannot be decided", launch_id):
            due_launches.decide_again(here.engine, launch_id, accounts=accounts)
    with _keeping_no_other("campaigns are rehearsed later"):
        here.rehearsals.start_due()
    return len(begun)


@contextlib.contextmanager
def _keeping_no_other(words: str, *facts: object) -> Iterator[None]:
    """Log what is wrong with one, so that others are launched."""
    try:
        yield
    except OutOfReachError:
        raise
    except Exception:
        log.exception(words, *facts)


def _keep(engine: Engine, taken: ReservedLaunch, *, until: threading.Event) -> None:
    """Keep a launch from other workers, for as long as one may take."""
    # Whoever takes it meanwhile launches it under the same key, and finds its draft.
    with contextlib.suppress(OutOfReachError):
        for _ in range(_LONGEST // _RENEWED_EVERY):
            if until.wait(_RENEWED_EVERY.total_seconds()) or not due_launches.renew(engine, taken):
                return


class Launches(Crew[ReservedLaunch]):
    """Launches what is begun: each waits for WeChat and for its file."""

    what = "campaigns are launched"

    def __init__(self, here: WorkerParts) -> None:
        """*here*: this process's parts."""
        super().__init__(stopping=stopping)
        self._here = here
        #: Whose calls may be made, as far as is known.
        self.accounts: Collection[str] = ()

    def _reserve(self, busy: Collection[str]) -> ReservedLaunch | None:
        here = self._here
        for launch_id in due_launches.to_launch(here.engine, accounts=self.accounts, busy=busy):
            with _keeping_no_other("launch %d cannot be taken", launch_id):
                taken = due_launches.reserve_launch(here.engine, launch_id)
                if taken is not None:
                    failpoint(Point.LAUNCH_RESERVED)
                    return taken
        return None

    def _do(self, taken: ReservedLaunch) -> None:
        done = threading.Event()
        renewal = partial(_keep, self._here.engine, taken, until=done)
        threading.Thread(target=renewal, name="launch", daemon=True).start()
        try:
            self._launch(taken)
        finally:
            done.set()

    def _launch(self, taken: ReservedLaunch) -> None:
        here = self._here

        def submit(waker: PlanInline) -> None:
            account = here.accounts[taken.launch.account]
            whole = launching.with_draft(taken, account, engine=here.engine, wechat=here.wechat)
            program_door.through_door(here, partial(launching.launch, whole), waker=waker)

        try:
            reason = program_door.refusal_of(submit, f"campaign {taken.name}")
        except NotBegunError:
            log.info("campaign %s: a launch was stopped before it was stored", taken.name)
        except OutOfReachError as error:
            log.warning("campaign %s is launched later: %s", taken.name, error)
            due_launches.give_back(here.engine, taken)
        else:
            if reason is not None and launch_rows.hold(here.engine, taken.launch, reason):
                log.error("campaign %s: a launch is held: %s", taken.name, refusal(reason, ENGLISH))
