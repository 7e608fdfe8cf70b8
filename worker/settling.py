"""Settling: mass/get is asked for the end of accepted batches, with growing pauses."""

from __future__ import annotations

from broadcast.crashpoints import Point, passing
from broadcast.errors import RedisAwayError
from broadcast.outcomes import Outcome
from models.ledger import polls
from models.ledger.records import Fact
from worker.lane import Road

#: Most questions of one task: it is a slice as well.
AT_ONCE = 50


def settle(road: Road) -> int:
    """Ask for the account's due batches; return how many were answered."""
    answered = 0
    waits = road.rules.waits
    for batch in polls.due_batches(road.engine, road.account.name, AT_ONCE, waits=waits):
        passing(Point.SETTLE_TAKEN)
        if road.stopping.is_set():
            break
        try:
            token = road.tokens.get()
        except RedisAwayError:
            break
        if isinstance(token, Fact):
            break
        said = road.gateway.status(token, batch.msg_id)
        if isinstance(said, Fact):
            # The batch was taken for a minute and comes again; only a bad token is mended now.
            if said.outcome is Outcome.TOKEN:
                road.tokens.replace(token)
            break
        passing(Point.SETTLE_ANSWERED)
        polls.heard(road.engine, batch.id, said, waits=waits)
        passing(Point.SETTLE_STORED)
        answered += 1
    return answered
