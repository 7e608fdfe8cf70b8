"""Polling: mass/get is asked for the end of accepted batches, with growing pauses."""

from __future__ import annotations

import logging
from collections.abc import Callable

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import RedisAwayError
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Scope
from models.ledger.outcomes import recorded_ends
from models.ledger.outcomes.recorded_ends import Polled
from worker.delivery.lane import LaneContext

log = logging.getLogger(__name__)

#: Most questions of one task: it is a slice as well.
AT_ONCE = 50


def ask(lane: LaneContext, tell: Callable[[str], object]) -> int:
    """Ask for the account's due batches; return how many were answered.

    *tell* is called with the broadcast of each whose job failed.
    """
    answered = 0
    waits = lane.tuning.waits
    for batch in recorded_ends.due_batches(lane.engine, lane.account.name, AT_ONCE, waits=waits):
        failpoint(Point.SETTLE_TAKEN)
        if lane.stopping.is_set():
            break
        answer = _ask(lane, batch)
        if isinstance(answer, _Silence):
            break
        failpoint(Point.SETTLE_ANSWERED)
        if recorded_ends.record_status(lane.engine, batch, answer, waits=waits):
            tell(batch.broadcast_id)
        failpoint(Point.SETTLE_STORED)
        answered += 1
    return answered


class _Silence:
    """There is no answer, and none to expect for the next batch either."""


def _ask(lane: LaneContext, batch: Polled) -> str | _Silence | None:
    """Ask about *batch*; batches that were taken and not asked about come up again later."""
    try:
        answer = lane.gateway.status(batch.msg_id)
    except RedisAwayError as error:
        log.warning("account %s: results are asked for later: %s", lane.account.name, error)
        return _Silence()
    if not isinstance(answer, NoAnswer):
        return answer
    if answer.scope is Scope.PATH:
        recorded_ends.record_unanswered(lane.engine, batch, answer, waits=lane.tuning.waits)
    log.warning(
        "account %s: results are asked for later: %s %s %s",
        lane.account.name,
        answer.outcome,
        answer.errcode or "",
        answer.errmsg or "",
    )
    return _Silence()
