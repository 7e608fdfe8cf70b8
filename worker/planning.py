"""Planning: batches are made, the plan is proved against the day, and the lane may begin."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from broadcast.call.outcomes import Outcome
from broadcast.call.result import CallResult
from broadcast.crashpoints import Point, passing
from broadcast.errors import RedisAwayError
from broadcast.plan import Quota
from models.ledger import plans, preflight, quotas
from worker.lane import LaneContext

log = logging.getLogger(__name__)

#: quota/get was refused for itself: the plan goes on unproved, and 45009 will tell.
_UNPROVABLE = {Outcome.STOP_BROADCAST, Outcome.QUOTA_TODAY, Outcome.UNLISTED}


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
    cuts = plans.cuts_of(road.engine, broadcast)
    if not plans.add_batches(road.engine, broadcast, road.account, cuts=cuts):
        return None
    passing(Point.PLAN_STORED)
    said = ask_quota(road)
    if isinstance(said, CallResult):
        unprovable = said.outcome in _UNPROVABLE
        if not unprovable and preflight.meet(
            road.engine, road.account, said, waits=road.rules.waits
        ):
            return Planned(batches=len(cuts), waits=True)
        # An account that WeChat refuses is stopped by now: no call is made before a person acts.
        log.warning("quota of %s unproved: %s", road.account.name, said.errmsg)
    quota = said if isinstance(said, Quota) else None
    if quota is not None:
        quotas.remember(road.engine, road.account, quota)
    proof = plans.open_for_calls(
        road.engine, broadcast, cuts=cuts, quota=quota, waits=road.rules.waits
    )
    passing(Point.PLAN_OPENED)
    return Planned(batches=len(cuts), fit=proof.fit.value if proof else None)


def ask_quota(road: LaneContext) -> Quota | CallResult:
    """Ask WeChat for today's calls, with one refresh if the token is refused."""
    said: Quota | CallResult = CallResult(outcome=Outcome.WAIT)
    for _ in range(2):
        try:
            token = road.tokens.get()
            if isinstance(token, CallResult):
                return token
            said = road.gateway.quota(token)
            if not isinstance(said, CallResult) or said.outcome is not Outcome.TOKEN:
                return said
            kept = road.tokens.replace(token)
        except RedisAwayError as error:
            return CallResult(outcome=Outcome.WAIT, errmsg=str(error))
        if kept is not None:
            return kept
    return said
