"""Planning: batches are made, the plan is proved against the day, and the lane may begin."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import RedisAwayError
from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan import selection as selections
from broadcast.rules.plan.audience import Followers
from broadcast.rules.plan.proof import Fit, Quota
from broadcast.rules.plan.selection import Excluded, Selection, excluded_list
from models.ledger.lane import obstacles
from models.ledger.lists import suppressions
from models.ledger.plan import late_opt_outs, plans
from models.ledger.plan.plans import ToPlan
from models.ledger.rows import erased_people
from producer import pushes
from producer.submit.recent_quotas import RecentQuotas
from worker.delivery.lane import LaneContext

if TYPE_CHECKING:
    from broadcast.rules.plan.selection import Removal
    from broadcast.sorted_openids import IDs

log = logging.getLogger(__name__)


@frozen
class Planned:
    """The result of planning; ``waits``: WeChat could not be asked, and the sweep wakes again."""

    batches: int
    waits: bool = False
    #: What WeChat answered where it waits.
    errcode: int | None = None
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
    try:
        return _planned(lane, broadcast, recent)
    except RedisAwayError as error:
        log.warning("broadcast %s: planning waits: %s", broadcast.id, error)
        obstacles.wait_for_redis(lane.engine, lane.account)
        return Planned(batches=0, waits=True)


def _planned(
    lane: LaneContext, broadcast: plans.ToPlan, recent: RecentQuotas | None
) -> Planned | None:
    resolved = _resolve(lane, broadcast)
    if resolved is not True:
        return resolved or None
    cuts = _cut(lane, broadcast)
    if cuts is None:
        return None
    failpoint(Point.PLAN_STORED)
    answer = None if recent is None else recent.recent(lane.account, broadcast.path)
    if answer is not None:
        proof = plans.open_for_calls(
            lane.engine, broadcast, lane.account, cuts=cuts, quota=answer.quota, only_if_fits=True
        )
        if proof is None or proof.fit is Fit.FITS:
            failpoint(Point.PLAN_OPENED)
            return Planned(batches=len(cuts), fit=proof.fit.value if proof else None)
    return _prove(lane, broadcast, cuts)


def _prove(lane: LaneContext, broadcast: plans.ToPlan, cuts: Sequence[plans.Cut]) -> Planned:
    """Check the calls of a plan against WeChat's quota of now, and permit them if they fit."""
    answer = lane.gateway.quota(broadcast.path)
    if isinstance(answer, NoAnswer):
        if answer.keeps_the_lane and lane.apply_no_answer(answer):
            return Planned(batches=len(cuts), waits=True, errcode=answer.errcode)
        # quota/get was refused for itself, or the account is stopped by now and nothing is called
        # before an operator acts: the plan goes on unproved, and 45009 will show it.
        log.warning(
            "broadcast %s: planned without proof that today's calls suffice: %s",
            broadcast.id,
            answer.errmsg,
        )
    quota = answer if isinstance(answer, Quota) else None
    proof = plans.open_for_calls(
        lane.engine,
        broadcast,
        lane.account,
        cuts=cuts,
        quota=quota,
        waits=lane.tuning.waits,
    )
    failpoint(Point.PLAN_OPENED)
    return Planned(batches=len(cuts), fit=proof.fit.value if proof else None)


def _resolve(lane: LaneContext, broadcast: plans.ToPlan) -> Planned | bool:
    """Resolve the audience; return whether it is to be cut, or that the plan waits."""
    try:
        answer = resolve(lane, broadcast)
    except obstacles.UNREADABLE as error:
        _hold_unplannable(lane, broadcast, error)
        return False
    if not isinstance(answer, NoAnswer):
        return answer
    if answer.keeps_the_lane:
        return Planned(batches=0, waits=lane.apply_no_answer(answer), errcode=answer.errcode)
    # WeChat has no such tag, or does not say who has it: then nobody knows whom it means.
    log.warning("broadcast %s: held: %s", broadcast.id, answer.errmsg)
    obstacles.hold_for_unanswered_tag(lane.engine, broadcast.account, broadcast.id, said=answer)
    return False


def _cut(lane: LaneContext, broadcast: plans.ToPlan) -> Sequence[plans.Cut] | None:
    """Store the calls of a plan; return None where it is planned no more, or cannot be."""
    try:
        cuts = plans.cuts_of(lane.engine, broadcast)
        if plans.add_batches(lane.engine, broadcast, lane.account, cuts=cuts):
            return cuts
    except obstacles.UNREADABLE as error:
        _hold_unplannable(lane, broadcast, error)
    return None


def _hold_unplannable(lane: LaneContext, broadcast: ToPlan, error: Exception) -> None:
    log.error("broadcast %s cannot be planned, it is held", broadcast.id, exc_info=error)
    problem = obstacles.problem_of(error)
    obstacles.hold_unmade_plan(lane.engine, broadcast.account, broadcast.id, problem=problem)


def resolve(lane: LaneContext, broadcast: ToPlan) -> NoAnswer | bool:
    """Store the list of a broadcast without those who are left out.

    Returns whether it is to be cut, or why WeChat did not say who has a tag. Raises what
    ``obstacles.UNREADABLE`` lists where it cannot be resolved at all.
    """
    # WeChat's pushes may have come while no worker ran.
    pushes.apply_pending_follower_events(lane.engine, broadcast.account, tuning=lane.tuning)
    selection = selections.parse(broadcast.selection)
    if broadcast.path is SendPath.SENDALL:
        return not _hold_if_suppressed(lane, broadcast, selection)
    # numpy costs 15 MB and 0.1 s, which only a process that leaves people out should pay.
    from models.ledger.followers import followers
    from models.ledger.plan import removals

    if waited_for := removals.unplanned(lane.engine, selection):
        _put_off_behind_others(lane, broadcast, selection, others=waited_for)
        return False
    late_opt_outs.begin_opt_outs(lane.engine, broadcast.id)
    audience = broadcast.audience
    out = removals.leaves_out(
        lane.engine, broadcast.account, selection, left_since=_left_since(broadcast)
    )
    if not (out or isinstance(audience, Followers)):
        return True
    tags = _tags(lane, audience.tag_id if isinstance(audience, Followers) else None, selection)
    if isinstance(tags, NoAnswer):
        return tags
    if isinstance(audience, Followers) and followers.newest(lane.engine, broadcast.account) is None:
        raise LookupError("nobody knows who follows the account: its followers were never synced")
    try:
        return _subtract(lane, broadcast, selection, tags=tags)
    except removals.NotPlannedYetError as error:
        log.warning("broadcast %s: planned later: %s", broadcast.id, error)
        return False


def _left_since(broadcast: ToPlan) -> datetime | None:
    return audiences.left_since(broadcast.audience.kind, given_at=broadcast.created_at)


def _put_off_behind_others(
    lane: LaneContext, broadcast: ToPlan, selection: Selection, *, others: Sequence[str]
) -> None:
    """Put a plan off behind those of the broadcasts it excludes: the sweep has it planned again.

    Where one of those is not planned now, the broadcast is held.
    """
    from models.ledger.plan import removals

    stuck = [one for one in others if plans.to_plan(lane.engine, one) is None]
    still = set(removals.unplanned(lane.engine, selection))
    stuck = [one for one in stuck if one in still]
    if not stuck:
        log.info("broadcast %s: its plan waits for that of %s", broadcast.id, others[0])
        return
    problem = (
        f"it excludes broadcast {stuck[0]}, which is not planned yet, so nobody knows who gets "
        "that; resume it after that one is planned"
    )
    log.warning("broadcast %s: held: %s", broadcast.id, problem)
    obstacles.hold_unmade_plan(lane.engine, broadcast.account, broadcast.id, problem=problem)


def _hold_if_suppressed(lane: LaneContext, broadcast: ToPlan, selection: Selection) -> bool:
    """Hold a send by WeChat's own list if somebody is suppressed; return whether it was."""
    if selection.ignore_suppression or not suppressions.any_of(lane.engine, broadcast.account):
        return False
    log.warning("broadcast %s: held, WeChat's own list has people who are suppressed", broadcast.id)
    obstacles.hold_for_suppression(lane.engine, broadcast.account, broadcast.id)
    return True


def _tags(
    lane: LaneContext, with_tag: int | None, selection: Selection
) -> dict[int, Iterable[bytes]] | NoAnswer:
    """Ask WeChat who has the tags that are named."""
    named = {int(one.value) for one in selection.exclude if one.kind is Excluded.TAG}
    found: dict[int, Iterable[bytes]] = {}
    for tag_id in sorted(named if with_tag is None else named | {with_tag}):
        answer = lane.gateway.tagged(tag_id)
        if isinstance(answer, NoAnswer):
            return replace(answer, errmsg=f"tag {tag_id}: {answer.errmsg}")
        found[tag_id] = answer
    return found


def _subtract(
    lane: LaneContext, broadcast: ToPlan, selection: Selection, *, tags: dict[int, Iterable[bytes]]
) -> bool:
    # numpy, which few plans need
    from models.ledger.plan import removals, subtract

    files = sum(one.kind is Excluded.FILE for one in selection.exclude)
    given = removals.CallerLists(
        files=[_stored(lane, broadcast, excluded_list(n)) for n in range(1, files + 1)], tags=tags
    )
    audience = broadcast.audience
    source: Iterator[IDs] | None = None
    erased: int | None = None
    if isinstance(audience, Followers):
        wanted = None if audience.tag_id is None else tags[audience.tag_id]
        # Nobody is refused their erasure for a list that is not stored yet.
        erased = erased_people.count(lane.engine, broadcast.account)
        source = subtract.followed(lane.engine, broadcast.account, tagged=wanted)
    out: list[Removal] = removals.removals_of(
        lane.engine, broadcast.account, selection, given=given, left_since=_left_since(broadcast)
    )
    return subtract.subtract(
        lane.engine,
        broadcast,
        lane.account,
        removals=out,
        source=source,
        sample=selection.sample,
        erased=erased,
    )


def _stored(lane: LaneContext, broadcast: ToPlan, name: str) -> Iterable[bytes]:
    from broadcast.sorted_openids import packed
    from models.ledger.plan import subtract
    from models.ledger.plan.removals import Rereadable

    return Rereadable(lambda: map(packed, subtract.listed(lane.engine, broadcast.id, name)))
