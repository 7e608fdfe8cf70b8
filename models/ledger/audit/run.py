"""The audit: the delivery promise as questions to the ledger, all of them in one list.

Everything is recounted from packed OpenIDs and attempts; stored totals are only compared. Each
broadcast is read in one snapshot, so that workers may go on, and one after the other, so that
memory holds one of them. The number of statements does not grow with its batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import Engine, func, or_, select

from broadcast.call.waits import Waits
from broadcast.gates.liveness import STUCK
from broadcast.plan.chunk import ASKED
from broadcast.states import Phase
from models.account import AccountRow
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import unlisted
from models.ledger.audit import calls, finishes, lanes, loader, sets, stops, stuck
from models.ledger.audit.case import Case
from models.ledger.audit.findings import Check, Finding, Found
from models.ledger.reading import ids
from models.ledger.transaction import read, snapshot
from models.ledger.upload_beat import GIVEN_UP_AFTER

#: Rows that are kept of each check; the rest is counted. A ruined database must not fill memory.
MOST_KEPT = 1_000
#: What is asked of each broadcast, beside what shows while it is read. A lane is asked for its
#: overlaps, and for what of calls, gates, stuck and clock is its own.
_CHECKS: Sequence[Callable[[Case], Iterator[Finding]]] = (
    sets.check, sets.halves, calls.msg_ids, finishes.check, calls.check, sets.keys, stops.check,
    stops.gates, stops.moves, stuck.check, stops.clock,
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was audited and what was found."""

    broadcasts: int = 0
    openids: int = 0
    batches: int = 0
    calls: int = 0
    findings: list[Finding] = field(default_factory=list)
    #: All that was found, kept or not.
    counts: Counter[Check] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while there are not too many of its check."""
        check = finding.found.check
        self.counts[check] += 1
        if self.counts[check] <= MOST_KEPT:
            self.findings.append(finding)

    def figures(self) -> dict[str, Any]:
        """Return how much was audited, and each check with its count, for programs."""
        audited = {
            "broadcasts": self.broadcasts, "openids": self.openids, "batches": self.batches,
            "calls": self.calls,
        }  # fmt: skip
        checks = {check.value: self.counts[check] for check in Check}
        return {"ok": not self.counts, "audited": audited, "checks": checks}


def audit(engine: Engine, broadcast_id: str, *, waits: Waits) -> Audit:
    """Audit one broadcast, and its account's lane around its calls.

    Raises UnknownIdError, naming near ids, ConflictError where its list is still to come, and
    DatabaseAwayError.
    """
    with read(engine) as connection:
        account = connection.scalar(_PUBLISHED.where(BroadcastRow.id == broadcast_id))
        if account is None:
            raise ids.not_stored(connection, broadcast_id)
    done = Audit()
    _broadcast(engine, broadcast_id, waits, into=done)
    _lane(engine, account, broadcast_id, into=done)
    return done


_PUBLISHED = select(BroadcastRow.account).where(BroadcastRow.phase != Phase.UPLOADING)


def audit_all(engine: Engine, *, waits: Waits) -> Audit:
    """Audit every published broadcast, every lane, and what uploads left behind."""
    done = Audit()
    with read(engine) as connection:
        published = select(BroadcastRow.id).where(BroadcastRow.phase != Phase.UPLOADING)
        ids = connection.scalars(published.order_by(BroadcastRow.id)).all()
        accounts = connection.scalars(select(AccountRow.name).order_by(AccountRow.name)).all()
    for broadcast_id in ids:
        _broadcast(engine, broadcast_id, waits, into=done)
    for account in accounts:
        _lane(engine, account, None, into=done)
    for finding in _uploads(engine):
        done.add(finding)
    return done


def _broadcast(engine: Engine, broadcast_id: str, waits: Waits, *, into: Audit) -> None:
    with snapshot(engine) as connection:
        case = loader.load(connection, broadcast_id, waits)
    if case is None:
        # Pruned since its id was read.
        return
    into.broadcasts += 1
    into.openids += case.lists.size(ASKED)
    into.batches += len(case.batches)
    into.calls += sum(len(batch.calls) for batch in case.batches)
    for finding in chain(case.findings, *(check(case) for check in _CHECKS)):
        into.add(finding)


def _lane(engine: Engine, account: str, broadcast_id: str | None, *, into: Audit) -> None:
    with snapshot(engine) as connection:
        for finding in lanes.check(connection, account, broadcast_id):
            into.add(finding)


def _uploads(engine: Engine) -> Iterator[Finding]:
    """Yield uploads that died long ago: a sweep takes one of them away at a time.

    One that was given up is cleared at once, and when that was is written nowhere: it is found when
    it began long ago. What is left of a list is found when its broadcast was cancelled long ago.
    """
    with read(engine) as connection:
        late = now(connection) - GIVEN_UP_AFTER - 10 * STUCK
        since = func.coalesce(
            BroadcastRow.uploading_at, BroadcastRow.finished_at, BroadcastRow.created_at
        ).label("since")
        rows = connection.execute(
            select(BroadcastRow.id, BroadcastRow.account, BroadcastRow.uploading_at, since)
            .where(or_(BroadcastRow.phase == Phase.UPLOADING, unlisted.HAS_A_REST))
            .where(since < late)
        ).all()
    for row in rows:
        yield Finding(
            found=Found.GIVEN_UP if row.uploading_at is None else Found.UPLOAD,
            account=row.account, broadcast_id=row.id, facts={"since": row.since},
        )  # fmt: skip
