"""Planning: batches are made, the plan is proved against the day, and the lane may begin."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import Engine

from broadcast.call.outcomes import Outcome, Scope
from broadcast.call.result import NoAnswer
from broadcast.crashpoints import Point, passing
from broadcast.errors import RedisAwayError
from broadcast.plan import Quota
from models.ledger import plans, preflight, quotas
from worker.lane import LaneContext

log = logging.getLogger(__name__)

#: These pass: quota/get is asked again before the first call.
_PASSING = {Outcome.WAIT, Outcome.THROTTLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What planning came to; ``waits`` when WeChat could not be asked and the sweep rings again."""

    batches: int
    waits: bool = False
    fit: str | None = None


def plan(road: LaneContext, broadcast_id: str) -> Planned | None:
    """Plan a broadcast; return None if it does not wait for its plan (any more)."""
    broadcast = plans.to_plan(road.engine, broadcast_id)
    if broadcast is None:
        return None
    count = plans.add_batches(road.engine, broadcast, road.account)
    passing(Point.PLAN_STORED)
    said = _ask_quota(road)
    if isinstance(said, NoAnswer):
        if said.scope is Scope.ACCOUNT or said.outcome in _PASSING:
            preflight.meet(road.engine, road.account, said, waits=road.rules.waits)
            return Planned(batches=count, waits=True)
        # quota/get was refused for itself: the plan goes on unproved, and 45009 will tell.
        log.warning("quota of %s unproved: %s", road.account.name, said.errmsg)
    quota = said if isinstance(said, Quota) else None
    if quota is not None:
        quotas.remember(road.engine, road.account, quota)
    proof = plans.open_for_calls(
        road.engine, broadcast, road.account, quota=quota, waits=road.rules.waits
    )
    passing(Point.PLAN_OPENED)
    return Planned(batches=count, fit=proof.fit.value if proof else None)


def _ask_quota(road: LaneContext) -> Quota | NoAnswer:
    try:
        return road.gateway.quota()
    except RedisAwayError as error:
        return NoAnswer(outcome=Outcome.WAIT, scope=Scope.ACCOUNT, errmsg=str(error))


def account_of(engine: Engine, broadcast_id: str) -> str | None:
    """Return the account of a broadcast that waits for its plan."""
    broadcast = plans.to_plan(engine, broadcast_id)
    return broadcast.account if broadcast else None
