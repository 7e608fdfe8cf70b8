"""Rehearsals of campaigns, in a thread beside those of the tasks: no launch waits for one.

Each has an end: that of its calls, one after the other. A killed worker leaves it to the next.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from broadcast.errors import OutOfReachError
from broadcast.message import Message
from broadcast.rules.campaigns.rehearsals import Run
from models.ledger.steer import rehearsal_rows
from producer.campaigns import rehearsing
from producer.request.door import SubmitService
from producer.wiring.wechat import ClientChecks, QuotaWithReason
from worker.program_door import PlanInline
from worker.wiring import WorkerParts

log = logging.getLogger(__name__)
_busy = threading.Lock()


def start(here: WorkerParts) -> None:
    """Make the rehearsals that have come, unless this process is at it. Raises OutOfReachError."""
    if _busy.locked():
        return
    runs = rehearsal_rows.missing(here.engine, accounts=here.accounts)
    if runs and _busy.acquire(blocking=False):
        # A daemon: who asks this process to end does not wait for it.
        threading.Thread(
            target=_rehearse, args=[here, runs], name="rehearsals", daemon=True
        ).start()


def _rehearse(here: WorkerParts, runs: Sequence[Run]) -> None:
    try:
        for run in runs:
            rehearsal_rows.record(here.engine, run, _findings(here, run))
    except Exception:
        # Here is no task that would log it.
        log.exception("campaigns are rehearsed later")
    finally:
        _busy.release()


def _findings(here: WorkerParts, run: Run) -> Sequence[Message]:
    door = SubmitService(
        settings=here.settings, engine=here.engine, quota=QuotaWithReason(here.wechat),
        waker=PlanInline(), looks=ClientChecks(here.wechat),
    )  # fmt: skip
    try:
        return rehearsing.rehearse(
            run.campaign, run.due_at, door=door, wechat=here.wechat, by_worker=True
        )
    except OutOfReachError:
        raise
    except Exception as error:
        # It would be tried for ever, and keep others from theirs.
        log.exception("campaign %s cannot be rehearsed", run.campaign.name)
        return [Message("error.dead.failed", kind=type(error).__name__)]
