"""Planning: batches are made, the plan is proved against the day, and the lane may begin."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from broadcast.call.outcomes import Outcome, Scope
from broadcast.call.result import NoAnswer
from broadcast.crashpoints import Point, passing
from broadcast.errors import RedisAwayError
from broadcast.frozen import frozen
from broadcast.plan import Fit, Quota
from models.ledger import plans, preflight
from producer.recent_quotas import RecentQuotas
from worker import resolving
from worker.lane import LaneContext

log = logging.getLogger(__name__)

#: These pass: quota/get is repeated before the first call.
_PASSING = {Outcome.WAIT, Outcome.THROTTLED}


@frozen
class Planned:
    """What planning came to; ``waits`` when WeChat could not be asked and the sweep wakes again."""

    batches: int
    waits: bool = False
    fit: str | None = None


def plan(
    lane: LaneContext, broadcast_id: str, *, recent: RecentQuotas | None = None
) -> Planned | None:
    """Plan a broadcast; return None if it does not wait for its plan (any more).

    What *recent* answers of WeChat's show to fit is not asked about again.
    """
    broadcast = plans.to_plan(lane.engine, broadcast_id)
    if broadcast is None:
        return None
    met = _resolve(lane, broadcast)
    if met is not True:
        return met or None
    cuts = _cut(lane, broadcast)
    if cuts is None:
        return None
    passing(Point.PLAN_STORED)
    answer = None if recent is None else recent.recent(lane.account, broadcast.path)
    if answer is not None:
        proof = plans.open_for_calls(
            lane.engine, broadcast, lane.account, cuts=cuts, quota=answer.quota, only_if_fits=True
        )
        if proof is None or proof.fit is Fit.FITS:
            passing(Point.PLAN_OPENED)
            return Planned(batches=len(cuts), fit=proof.fit.value if proof else None)
    return _prove(lane, broadcast, cuts)


def _prove(lane: LaneContext, broadcast: plans.ToPlan, cuts: Sequence[plans.Cut]) -> Planned:
    """Hold the calls of a plan against WeChat's answer of now, and let them be made if they fit."""
    try:
        said = lane.gateway.quota(broadcast.path)
    except RedisAwayError as error:
        log.warning("broadcast %s: planning waits: %s", broadcast.id, error)
        preflight.wait_for_redis(lane.engine, lane.account)
        return Planned(batches=len(cuts), waits=True)
    if isinstance(said, NoAnswer):
        stops = said.scope is Scope.ACCOUNT or said.outcome in _PASSING
        if stops and preflight.meet(lane.engine, lane.account, said, waits=lane.rules.waits):
            return Planned(batches=len(cuts), waits=True)
        # quota/get was refused for itself, or the account is stopped by now and nothing is called
        # before an operator acts: the plan goes on unproved, and 45009 will show it.
        log.warning(
            "broadcast %s: planned without proof that today's calls suffice: %s",
            broadcast.id, said.errmsg,
        )  # fmt: skip
    quota = said if isinstance(said, Quota) else None
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


def _resolve(lane: LaneContext, broadcast: plans.ToPlan) -> Planned | bool:
    """Resolve the audience; return whether it is to be cut, or that the plan waits."""
    try:
        said = resolving.resolve(lane, broadcast)
    except RedisAwayError as error:
        log.warning("broadcast %s: planning waits: %s", broadcast.id, error)
        preflight.wait_for_redis(lane.engine, lane.account)
        return Planned(batches=0, waits=True)
    except preflight.UNREADABLE as error:
        log.exception("broadcast %s cannot be planned, it is held", broadcast.id)
        problem = preflight.problem_of(error)
        preflight.cannot_be_planned(lane.engine, broadcast.account, broadcast.id, problem=problem)
        return False
    if not isinstance(said, NoAnswer):
        return said
    stops = said.scope is Scope.ACCOUNT or said.outcome in _PASSING
    if stops and preflight.meet(lane.engine, lane.account, said, waits=lane.rules.waits):
        return Planned(batches=0, waits=True)
    if not stops:
        # WeChat has no such tag, or does not say who has it: then nobody knows whom it means.
        log.warning("broadcast %s: held: %s", broadcast.id, said.errmsg)
        preflight.tag_unanswered(lane.engine, broadcast.account, broadcast.id, said=said)
    return False


def _cut(lane: LaneContext, broadcast: plans.ToPlan) -> Sequence[plans.Cut] | None:
    """Store the calls of a plan; return None where it is planned no more, or cannot be."""
    try:
        cuts = plans.cuts_of(lane.engine, broadcast)
        if plans.add_batches(lane.engine, broadcast, lane.account, cuts=cuts):
            return cuts
    except preflight.UNREADABLE as error:
        log.exception("broadcast %s cannot be planned, it is held", broadcast.id)
        preflight.cannot_be_planned(
            lane.engine, broadcast.account, broadcast.id, problem=preflight.problem_of(error)
        )
    return None
