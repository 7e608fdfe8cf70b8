"""Resolving: whom a broadcast means, and who of them is left out, before it is cut into calls."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from broadcast.call.path import SendPath
from broadcast.call.result import NoAnswer
from broadcast.plan import audience as audiences
from broadcast.plan import selection as selections
from broadcast.plan.audience import Followers
from broadcast.plan.selection import Excluded, Selection, excluded_list
from models.ledger import freshness, plans, preflight
from models.ledger.plans import ToPlan
from models.ledger.reading import suppressions
from worker import pushes
from worker.lane import LaneContext

if TYPE_CHECKING:
    from broadcast.plan.subtraction import Removal
    from broadcast.sorted_openids import IDs

log = logging.getLogger(__name__)


def resolve(lane: LaneContext, broadcast: ToPlan) -> NoAnswer | bool:
    """Store the list of a broadcast without those who are left out.

    Returns whether it is to be cut, or why WeChat did not say who has a tag. Raises what
    ``preflight.UNREADABLE`` lists where it cannot be resolved at all.
    """
    # WeChat's pushes may have come while no worker ran.
    pushes.heed_followers(lane.engine, broadcast.account, rules=lane.rules)
    selection = selections.parse(broadcast.selection)
    if broadcast.path is SendPath.SENDALL:
        return not _is_overtaken(lane, broadcast, selection)
    # numpy costs 15 MB and 0.1 s, which only a process that leaves people out should pay.
    from models.ledger.reading import followers, removals  # noqa: PLC0415

    if waited_for := removals.unplanned(lane.engine, selection):
        return _waits_for(lane, broadcast, selection, others=waited_for)
    freshness.begin(lane.engine, broadcast.id)
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
    except removals.UnplannedError as error:
        log.warning("broadcast %s: planned later: %s", broadcast.id, error)
        return False


def _left_since(broadcast: ToPlan) -> datetime | None:
    return audiences.left_since(broadcast.audience.kind, given_at=broadcast.created_at)


def _waits_for(
    lane: LaneContext, broadcast: ToPlan, selection: Selection, *, others: Sequence[str]
) -> bool:
    """Let a plan wait for those of the broadcasts it excludes: the sweep has it planned again.

    Where one of those is not planned now, the broadcast is held.
    """
    from models.ledger.reading import removals  # noqa: PLC0415 - numpy

    stuck = [one for one in others if plans.to_plan(lane.engine, one) is None]
    still = set(removals.unplanned(lane.engine, selection))
    stuck = [one for one in stuck if one in still]
    if not stuck:
        log.info("broadcast %s: its plan waits for that of %s", broadcast.id, others[0])
        return False
    problem = (
        f"it excludes broadcast {stuck[0]}, which is not planned yet, so nobody knows who gets "
        "that; resume it after that one is planned"
    )
    log.warning("broadcast %s: held: %s", broadcast.id, problem)
    preflight.cannot_be_planned(lane.engine, broadcast.account, broadcast.id, problem=problem)
    return False


def _is_overtaken(lane: LaneContext, broadcast: ToPlan, selection: Selection) -> bool:
    """Hold a send by WeChat's own list where somebody is suppressed since it was submitted."""
    if selection.ignore_suppression or not suppressions.any_of(lane.engine, broadcast.account):
        return False
    log.warning("broadcast %s: held, WeChat's own list has people who are suppressed", broadcast.id)
    preflight.overtaken_by_suppression(lane.engine, broadcast.account, broadcast.id)
    return True


def _tags(
    lane: LaneContext, with_tag: int | None, selection: Selection
) -> dict[int, Iterable[bytes]] | NoAnswer:
    """Ask WeChat who has the tags that are named."""
    named = {int(one.value) for one in selection.exclude if one.kind is Excluded.TAG}
    found: dict[int, Iterable[bytes]] = {}
    for tag_id in sorted(named if with_tag is None else named | {with_tag}):
        said = lane.gateway.tagged(tag_id)
        if isinstance(said, NoAnswer):
            return replace(said, errmsg=f"tag {tag_id}: {said.errmsg}")
        found[tag_id] = said
    return found


def _subtract(
    lane: LaneContext, broadcast: ToPlan, selection: Selection, *, tags: dict[int, Iterable[bytes]]
) -> bool:
    from models.ledger import subtract  # noqa: PLC0415 - as above
    from models.ledger.reading import removals  # noqa: PLC0415

    files = sum(one.kind is Excluded.FILE for one in selection.exclude)
    given = removals.Given(
        files=[_stored(lane, broadcast, excluded_list(n)) for n in range(1, files + 1)], tags=tags
    )
    audience = broadcast.audience
    source: Iterator[IDs] | None = None
    if isinstance(audience, Followers):
        wanted = None if audience.tag_id is None else tags[audience.tag_id]
        source = subtract.followed(lane.engine, broadcast.account, tagged=wanted)
    out: list[Removal] = removals.of(
        lane.engine, broadcast.account, selection, given=given, left_since=_left_since(broadcast)
    )
    return subtract.subtract(
        lane.engine, broadcast, lane.account, removals=out, source=source, sample=selection.sample
    )


def _stored(lane: LaneContext, broadcast: ToPlan, name: str) -> Iterable[bytes]:
    from broadcast.sorted_openids import packed  # noqa: PLC0415 - as above
    from models.ledger import subtract  # noqa: PLC0415
    from models.ledger.reading.removals import Again  # noqa: PLC0415

    return Again(lambda: map(packed, subtract.listed(lane.engine, broadcast.id, name)))
