"""Campaigns: due times are decided, and what is begun becomes a broadcast.

A worker that is killed anywhere leaves a launch that is begun: the next one takes it up, for as
long as the campaign wants it launched late.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.logs.log_lines import ENGLISH
from broadcast.message import Message
from broadcast.views.program_words import refusal
from models.ledger.campaigns import due_launches, launch_rows
from models.ledger.campaigns.launch_rows import NotBegunError, ReservedLaunch
from producer.campaigns import launching
from worker import planner, program_door, rehearsal_thread
from worker.wiring import WorkerParts

log = logging.getLogger(__name__)

#: Side by side: each waits for WeChat and for its file.
AT_ONCE: Final = 4


def launch(here: WorkerParts, *, goes_on: Callable[[], bool]) -> int:
    """Decide due times, and launch what is begun; return how many launches were taken.

    Rehearsals that have come begin beside it. Raises OutOfReachError: what is left is launched
    later.
    """
    # What is due here may have been launched by the database of which this is a copy.
    here.database_check.watch(here.accounts)
    due_launches.decide_due(here.engine)
    rehearsal_thread.start(here)
    begun = launch_rows.to_launch(here.engine, accounts=here.accounts)
    if not begun:
        return 0
    failpoint(Point.LAUNCH_DECIDED)
    away = threading.Event()

    def one(launch_id: int) -> bool:
        if not goes_on() or away.is_set():
            return False
        try:
            return _launch_one(here, launch_id)
        except OutOfReachError:
            away.set()
            raise

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return sum(threads.map(one, begun))


def _launch_one(here: WorkerParts, launch_id: int) -> bool:
    taken = launch_rows.reserve_launch(here.engine, launch_id)
    if taken is None:
        return False
    if taken.launch.account not in here.accounts:
        # Another worker may still have it.
        launch_rows.give_back(here.engine, launch_id)
        return False
    failpoint(Point.LAUNCH_RESERVED)
    _launch(here, taken)
    return True


def _launch(here: WorkerParts, taken: ReservedLaunch) -> None:
    submitted = program_door.PlanInline()
    try:
        program_door.through_door(
            here, partial(launching.launch, taken, wechat=here.wechat), waker=submitted
        )
    except NotBegunError:
        log.info("campaign %s: a launch was stopped before it was stored", taken.name)
    except OutOfReachError as error:
        log.warning("campaign %s is launched later: %s", taken.name, error)
        launch_rows.give_back(here.engine, taken.launch.id)
    except BroadcastError as error:
        _hold(here, taken, error.message)
    except Exception as error:
        # It would be tried until it is missed, and nobody would know why.
        log.exception("campaign %s cannot be launched", taken.name)
        _hold(here, taken, Message("error.dead.failed", kind=type(error).__name__))
    else:
        for broadcast_id in submitted.ids:
            planner.plan(broadcast_id, just_submitted=True)


def _hold(here: WorkerParts, taken: ReservedLaunch, reason: Message) -> None:
    if launch_rows.hold(here.engine, taken.launch, reason):
        log.error("campaign %s: a launch is held: %s", taken.name, refusal(reason, ENGLISH))
