"""One call at a time: the calls of an account never overlap by the database's clock.

What can be proved: within one lease (one fence) a single thread calls, so a call has ended before
the next one is claimed; what is heard of it later does not move its end. A driver who was replaced
may bring the end of his call much later; his call then lasted, for the lane, until his lease had
run out, which is a lease after its claim at the earliest. A call without an end that another driver
took over proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from models.ledger.audit.findings import Finding, Found
from models.ledger.lanes import LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCall:
    """One attempt on its lane."""

    account: str
    broadcast_id: str
    n: int
    number: int
    fence: int
    started_at: datetime
    ended_at: datetime | None


def check(calls: Iterable[LaneCall]) -> Iterator[Finding]:
    """Yield calls that began while another one ran.

    *calls* are one account's in the order of their ids. Each was written while the lane's row was
    held, so that this is the order in which they were claimed, whatever the clock did.
    """
    before: LaneCall | None = None
    for call in calls:
        if before is not None:
            found = _meet(before, call)
            if found is not None:
                yield _finding(found, before, call)
        before = call


def _meet(one: LaneCall, other: LaneCall) -> Found | None:
    """Tell how *other*, which was claimed later, meets *one*."""
    if other.started_at < one.started_at and other.fence >= one.fence:
        return Found.CLOCK
    if one.ended_at is not None and one.ended_at <= other.started_at:
        # Whoever claims with an old fence was replaced, even where nothing runs.
        return Found.OLD_FENCE if other.fence < one.fence else None
    if other.fence < one.fence:
        return Found.OLD_FENCE
    if other.fence > one.fence:
        soon = other.started_at < one.started_at + LEASE
        return Found.OVERLAP if one.ended_at is not None and soon else None
    return Found.NO_END if one.ended_at is None else Found.OVERLAP


def _finding(found: Found, one: LaneCall, other: LaneCall) -> Finding:
    return Finding(
        found=found, account=other.account, broadcast_id=other.broadcast_id, n=other.n,
        facts={
            "number": other.number, "at": other.started_at,
            "other": one.broadcast_id, "other_n": one.n, "other_number": one.number,
            "end": one.ended_at or "-", "earlier": other.started_at, "later": one.started_at,
        },
    )  # fmt: skip
