"""Nobody is forgotten: everybody who was read stands in exactly one set, and the sets add up.

All figures are counted anew in the packed OpenIDs; what a row says of them is only compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from broadcast.reports import SKIPS
from broadcast.states import BatchState, BroadcastState, resting_state
from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import Case

_ENDED = frozenset({BroadcastState.COMPLETED, BroadcastState.PARTIAL, BroadcastState.FAILED})
_WAITS = frozenset({BatchState.PLANNED, BatchState.UNKNOWN})


def check(case: Case) -> Iterator[Finding]:
    """Yield where the figures, the packs, the batches and the sets do not fit each other."""
    yield from _figures(case)
    yield from _packs(case)
    yield from _cut(case)
    yield from _members(case)
    yield from _result(case)


def _figures(case: Case) -> Iterator[Finding]:
    row = case.row
    skipped = sum(getattr(row, reason) for reason in SKIPS)
    if row.read != skipped + row.planned:
        yield case.finding(Found.READ, read=row.read, skipped=skipped, planned=row.planned)
    for reason in SKIPS:
        said, kept = getattr(row, reason), case.skipped.get(reason, 0)
        if said != kept:
            yield case.finding(Found.SKIPPED, reason=reason, said=said, kept=kept)


def _packs(case: Case) -> Iterator[Finding]:
    children = {batch.pack_id for batch in case.batches if batch.parent_id is not None}
    submitted = sum(pack.count for pack in case.packs if pack.id not in children)
    if submitted != case.row.planned:
        yield case.finding(Found.PLANNED, planned=case.row.planned, counted=submitted)
    elif case.digest != case.row.audience_digest:
        yield case.finding(Found.AUDIENCE, said=case.row.audience_digest, counted=case.digest)
    for pack in case.packs:
        if pack.torn or pack.count != pack.size:
            yield case.finding(Found.SIZE, pack.n, said=pack.size, counted=pack.count)
        if (pack.first, pack.last) != (pack.first_said, pack.last_said):
            said = f"{pack.first_said} … {pack.last_said}"
            yield case.finding(Found.EDGES, pack.n, said=said, real=f"{pack.first} … {pack.last}")


def _cut(case: Case) -> Iterator[Finding]:
    """Each pack has its batch, once the lane was opened, and each batch its pack."""
    packs = {pack.id: pack for pack in case.packs}
    owners = Counter(batch.pack_id for batch in case.batches)
    if any(move.new == BroadcastState.WAITING for move in case.moves):
        for pack in case.packs:
            if pack.id not in owners:
                yield case.finding(Found.NO_BATCH, pack.n, size=pack.count)
    for batch in case.batches:
        own = packs.get(batch.pack_id)
        if own is None or own.n != batch.n or owners[batch.pack_id] > 1:
            yield case.finding(Found.PACK, batch, pack=own.n if own else "-")
        elif batch.size != own.count:
            yield case.finding(Found.SIZE, batch, said=batch.size, counted=own.count)


def _members(case: Case) -> Iterator[Finding]:
    counts = {pack.id: pack.count for pack in case.packs}
    held = {batch.pack_id for batch in case.batches}
    total = sum(count for pack_id, count in counts.items() if pack_id not in held)
    for batch in case.batches:
        if batch.state is None:
            yield case.finding(Found.NO_SET, batch, state=batch.written)
        elif batch.state is not BatchState.SPLIT:
            total += counts.get(batch.pack_id, 0)
    unreadable = any(batch.state is None for batch in case.batches)
    if total != case.row.planned and not unreadable:
        yield case.finding(Found.LEAVES, planned=case.row.planned, counted=total)


def _result(case: Case) -> Iterator[Finding]:
    states = [batch.state for batch in case.batches if batch.state is not None]
    if not states or len(states) < len(case.batches):
        return
    rests = resting_state(Counter(states))
    if rests is not None and case.state is not rests:
        yield case.finding(Found.RESULT, state=case.written, new=rests.value)
    elif rests is None and case.state in _ENDED:
        yield case.finding(Found.EARLY, state=case.written)
    if case.row.cancelled_at is not None:
        for batch in case.batches:
            if batch.state in _WAITS:
                yield case.finding(Found.CANCELLED_WAITS, batch, state=batch.written)
