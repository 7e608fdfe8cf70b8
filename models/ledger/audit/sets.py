"""Nobody is forgotten and nobody gets it twice: figures, lists, ranges and sets fit each other.

All figures are recounted in the packed OpenIDs; those of a row are only compared. A list
that is WeChat's own has no figures, and its one call is keyed by the filter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from broadcast.call import clientmsgid
from broadcast.enums import is_recognised
from broadcast.plan import audience as audiences
from broadcast.plan.audience import Audience, OpenIDs
from broadcast.plan.chunk import ASKED, own_list
from broadcast.reports import SKIPS
from broadcast.states import BatchState, BroadcastState, Phase, resting_state
from models.ledger.audit.case import AuditedBatch, AuditedBroadcast, Case
from models.ledger.audit.findings import Finding, Found
from models.ledger.reading.untouched import left_nothing

_SUMS = 1 << 64


def check(case: Case) -> Iterator[Finding]:
    """Yield where figures, lists, batches and sets do not fit each other."""
    yield from _figures(case)
    yield from _lists(case)
    if case.is_planned and case.row.planned is not None:
        yield from _tiles(case)
    yield from _result(case)


def _figures(case: Case) -> Iterator[Finding]:
    row = case.row
    skipped = sum(getattr(row, reason) for reason in SKIPS)
    if row.planned is not None and row.read != skipped + row.planned:
        yield case.finding(Found.READ, read=row.read, skipped=skipped, planned=row.planned)
    for reason in SKIPS:
        said, kept = getattr(row, reason), case.skipped.get(reason, 0)
        if kept == said and reason in case.lists.sizes:
            kept = case.lists.size(reason)
        if said != kept:
            yield case.finding(Found.SKIPPED, reason=reason, said=said, kept=kept)


def _lists(case: Case) -> Iterator[Finding]:
    """The list that was given is the one that was asked for."""
    row, lists = case.row, case.lists
    if row.published_at is None:
        # None was given; what was stored of it is on its way out.
        return
    if row.audience_kind in audiences.KINDS and _asked_for(row) is None:
        yield case.finding(Found.UNREADABLE, kind=row.audience_kind)
    counted = lists.size(ASKED)
    if row.audience_kind == OpenIDs.kind:
        given = row.read - row.malformed - row.duplicate
        if counted != given:
            yield case.finding(Found.PLANNED, planned=given, counted=counted)
        elif lists.digest != row.audience_digest:
            yield case.finding(Found.AUDIENCE, said=row.audience_digest, counted=lists.digest)
    elif _is_wechats(row) and (row.planned is not None or counted):
        planned = "-" if row.planned is None else row.planned
        yield case.finding(Found.PLANNED, planned=planned, counted=counted)


def _asked_for(row: AuditedBroadcast) -> Audience | None:
    """Return whom it goes to, as it was asked for; None where the row cannot be read."""
    try:
        return audiences.parse(row.audience_kind, row.audience_spec)
    except (TypeError, ValueError):
        return None


def _is_wechats(row: AuditedBroadcast) -> bool:
    """Return whether the list is WeChat's."""
    return row.audience_kind in {audiences.Tag.kind, audiences.Everyone.kind}


def _tiles(case: Case) -> Iterator[Finding]:
    """The batches that were not split hold everybody who is left once, each in its range."""
    lists, leaves = case.lists, case.leaves
    for batch in case.batches:
        if batch.size and batch.id not in lists.ranges:
            yield case.finding(
                Found.RANGE, batch, list=batch.list or "-", start=batch.start,
                size=batch.size or 0, counted=lists.size(batch.list),
            )  # fmt: skip
    if not all(is_recognised(batch.state) for batch in case.batches):
        return
    # Where people were taken out of a batch its range is open; marks and sums then prove the rest.
    if not lists.is_shrunk and all(batch.list != own_list(batch.n) for batch in case.batches):
        yield from _gaps(case, lists.resolved)
    total = sum(batch.size or 0 for batch in leaves)
    if total != case.row.planned:
        yield case.finding(Found.LEAVES, planned=case.row.planned or 0, counted=total)
    elif ASKED in lists.sizes and all(batch.id in lists.ranges for batch in leaves):
        out = [reason for reason in SKIPS if reason in lists.sizes]
        counted = total + sum(lists.size(reason) for reason in out)
        marks = sum(lists.ranges[batch.id].marks for batch in leaves)
        marks += sum(lists.marks[reason] for reason in out)
        if counted != lists.size(ASKED) or (marks - lists.marks[ASKED]) % _SUMS:
            yield case.finding(Found.MEMBERS, counted=counted)


def _gaps(case: Case, name: str) -> Iterator[Finding]:
    at = 0
    there = sorted((b.start, b.end) for b in case.leaves if b.list == name)
    whole = case.lists.size(name)
    for start, end in [*there, (whole, whole)]:
        if start > at:
            yield case.finding(Found.NO_BATCH, size=start - at, list=name, start=at)
        at = max(at, end)


def _result(case: Case) -> Iterator[Finding]:
    row, ended = case.row, case.row.phase is Phase.ENDED
    states = Counter(batch.state for batch in case.batches if batch.size != 0)
    words = [row.phase, *states, *([row.result] if row.result else [])]
    if all(is_recognised(word) for word in words):
        rests = resting_state(states)
        stands = row.result or row.phase
        called = states.keys() - {BatchState.SPLIT}
        never_cut = (
            case.cancel is not None or not row.planned
        ) and row.result is BroadcastState.CANCELLED
        if rests is not None and row.phase is not Phase.PLANNING and row.result is not rests:
            yield case.finding(Found.RESULT, state=stands, new=rests)
        elif rests is None and (ended or row.result is not None) and (called or not never_cut):
            yield case.finding(Found.EARLY, state=stands)
    if case.cancel is not None:
        for batch in case.batches:
            if batch.state in {BatchState.PLANNED, BatchState.UNKNOWN}:
                yield case.finding(Found.CANCELLED_WAITS, batch, state=batch.state)


def halves(case: Case) -> Iterator[Finding]:
    """The children of a split batch are exactly its range; no other batch has children."""
    children: dict[int, list[AuditedBatch]] = defaultdict(list)
    for batch in case.batches:
        if batch.parent_id is not None:
            children[batch.parent_id].append(batch)
    for batch in case.batches:
        mine = children[batch.id]
        split = batch.state is BatchState.SPLIT
        if not is_recognised(batch.state) or not (split or mine):
            continue
        missing, extra = _uneven(batch, mine)
        if missing or extra or not split or len(mine) != 2:  # noqa: PLR2004 - halves
            yield case.finding(
                Found.HALVES, batch, children=len(mine), missing=missing, extra=extra
            )


def _uneven(batch: AuditedBatch, mine: Sequence[AuditedBatch]) -> tuple[int, int]:
    """Return how many of a batch are in none of its children, and how many in them too many.

    People left a child with a list of its own after the split, or joined it from elsewhere: that
    each of them is somewhere, and nobody twice, is said by the sets.
    """
    at, covered = batch.start, 0
    on_list = sorted((one for one in mine if one.list == batch.list), key=lambda one: one.start)
    for one in on_list:
        begin, end = max(at, one.start), min(batch.end, one.end)
        covered += max(0, end - begin)
        at = max(at, end)
    ranges = [one for one in mine if one.list != own_list(one.n)]
    missing = (batch.size or 0) - covered if ranges == list(mine) else 0
    return missing, sum(one.size or 0 for one in ranges) - covered


def keys(case: Case) -> Iterator[Finding]:
    """No clientmsgid was changed, and none was used for another batch.

    A call that never left may name the one that its batch had before people were taken out of it.
    """
    for batch in case.batches:
        made = _made(case, batch)
        if made is not None and batch.clientmsgid != made:
            yield case.finding(Found.KEY_CHANGED, batch, key=batch.clientmsgid, made=made)
        for call in batch.calls:
            same = call.clientmsgid in {batch.clientmsgid, made}
            if not same and not left_nothing(call.outcome, call.transport):
                yield case.finding(
                    Found.KEY_OF_CALL, batch, number=call.number, key=call.clientmsgid,
                    made=batch.clientmsgid,
                )  # fmt: skip


def _made(case: Case, batch: AuditedBatch) -> str | None:
    """Return the clientmsgid that a batch makes; None where that is not known."""
    row = case.row
    if not _is_wechats(row):
        there = case.lists.ranges.get(batch.id)
        return there.key if there else None
    audience = _asked_for(row)
    if audience is None:
        return None
    packed = audiences.filter_of(audience).encode()
    return clientmsgid.derive(appid=row.appid, key=row.key, content=row.content, packed=packed)
