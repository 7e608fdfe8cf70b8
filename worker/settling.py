"""Settling: mass/get is asked for the end of accepted batches, with growing pauses."""

from __future__ import annotations

import logging

from broadcast.call.outcomes import Scope
from broadcast.call.result import NoAnswer
from broadcast.crashpoints import Point, passing
from broadcast.errors import RedisAwayError
from models.ledger import results
from models.ledger.results import Polled
from worker.lane import LaneContext

log = logging.getLogger(__name__)

#: Most questions of one task: it is a slice as well.
AT_ONCE = 50


def settle(context: LaneContext) -> int:
    """Ask for the account's due batches; return how many were answered."""
    answered = 0
    waits = context.rules.waits
    for batch in results.due_batches(context.engine, context.account.name, AT_ONCE, waits=waits):
        passing(Point.SETTLE_TAKEN)
        if context.stopping.is_set():
            break
        said = _ask(context, batch)
        if isinstance(said, _Silence):
            break
        passing(Point.SETTLE_ANSWERED)
        results.heard(context.engine, batch, said, waits=waits)
        passing(Point.SETTLE_STORED)
        answered += 1
    return answered


class _Silence:
    """There is no answer, and none to expect for the next batch either."""


def _ask(context: LaneContext, batch: Polled) -> str | _Silence | None:
    """Ask about *batch*; batches that were taken and not asked about come again by themselves."""
    try:
        said = context.gateway.status(batch.msg_id)
    except RedisAwayError as error:
        log.warning("results of %s are asked for later: %s", context.account.name, error)
        return _Silence()
    if not isinstance(said, NoAnswer):
        return said
    if said.scope is Scope.PATH:
        results.unanswered(context.engine, batch, said, waits=context.rules.waits)
    log.warning(
        "results of %s are asked for later: %s %s %s", context.account.name, said.outcome,
        said.errcode or "", said.errmsg or "",
    )  # fmt: skip
    return _Silence()
