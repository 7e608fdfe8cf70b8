"""Planning: batches are made, the plan is proved against the day, and the lane may begin."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from broadcast.call.outcomes import Outcome, Scope
from broadcast.call.result import NoAnswer
from broadcast.crashpoints import Point, passing
from broadcast.errors import RedisAwayError
from broadcast.plan import Quota
from broadcast.plan.subtraction import Removal
from models.ledger import plans, preflight, quotas
from worker.lane import LaneContext

log = logging.getLogger(__name__)

#: These pass: quota/get is asked again before the first call.
_PASSING = {Outcome.WAIT, Outcome.THROTTLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What planning came to; ``waits`` when WeChat could not be asked and the sweep wakes again."""

    batches: int
    waits: bool = False
    fit: str | None = None


def plan(
    lane: LaneContext, broadcast_id: str, *, removals: Sequence[Removal] = ()
) -> Planned | None:
    """Plan a broadcast; return None if it does not wait for its plan (any more).

    *removals*: whom to leave out of its list. They are read once, here.
    """
    broadcast = plans.to_plan(lane.engine, broadcast_id)
    if broadcast is None:
        return None
    if removals and not _subtract(lane, broadcast, removals):
        return None
    cuts = _cut(lane, broadcast)
    if cuts is None:
        return None
    passing(Point.PLAN_STORED)
    try:
        said = lane.gateway.quota(broadcast.path)
    except RedisAwayError as error:
        log.warning("quota of %s: %s", lane.account.name, error)
        preflight.wait_for_redis(lane.engine, lane.account)
        return Planned(batches=len(cuts), waits=True)
    if isinstance(said, NoAnswer):
        stops = said.scope is Scope.ACCOUNT or said.outcome in _PASSING
        if stops and preflight.meet(lane.engine, lane.account, said, waits=lane.rules.waits):
            return Planned(batches=len(cuts), waits=True)
        # quota/get was refused for itself, or the account is stopped by now and nothing is called
        # before a person acts: the plan goes on unproved, and 45009 will tell.
        log.warning("quota of %s unproved: %s", lane.account.name, said.errmsg)
    quota = said if isinstance(said, Quota) else None
    if quota is not None:
        quotas.remember(lane.engine, lane.account, quota, path=broadcast.path)
    proof = plans.open_for_calls(
        lane.engine,
        broadcast,
        lane.account,
        cuts=cuts,
        quota=quota,
        waits=lane.rules.waits,
    )
    passing(Point.PLAN_OPENED)
    return Planned(batches=len(cuts), fit=proof.fit.value if proof else None)


def _cut(lane: LaneContext, broadcast: plans.ToPlan) -> Sequence[plans.Cut] | None:
    """Store the calls of a plan; return None where it is planned no more, or cannot be."""
    try:
        cuts = plans.cuts_of(lane.engine, broadcast)
        if plans.add_batches(lane.engine, broadcast, lane.account, cuts=cuts):
            return cuts
    except preflight.UNREADABLE as error:
        log.exception("%s cannot be planned", broadcast.id)
        preflight.cannot_be_planned(
            lane.engine, broadcast.account, broadcast.id, problem=preflight.problem_of(error)
        )
    return None


def _subtract(lane: LaneContext, broadcast: plans.ToPlan, removals: Sequence[Removal]) -> bool:
    """Leave people out; return whether anybody is to be planned."""
    # numpy costs 15 MB and 0.1 s, which only a process that leaves people out should pay.
    from models.ledger import subtract  # noqa: PLC0415

    return subtract.subtract(lane.engine, broadcast, lane.account, removals=removals)
