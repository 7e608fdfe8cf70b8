"""Nobody is forgotten: figures and sets add up; halves, keys, gates and moves are legal.

All figures are recounted in the packed OpenIDs; those of a row are only compared. A list
that is WeChat's own has no figures, and its one call is keyed by the filter.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from broadcast.enums import is_recognised
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.calls.waits import REPEAT_WINDOW
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan.audience import Audience, OpenIDs
from broadcast.rules.plan.cut import ASKED, own_list
from broadcast.rules.reports import SKIPS
from broadcast.rules.states import (
    BATCH_MOVES,
    UNCALLED_PHASES,
    BatchState,
    BroadcastState,
    Phase,
    resting_state,
)
from models.ledger.audit.case import (
    AuditedBatch,
    AuditedBroadcast,
    AuditedGate,
    Call,
    Case,
    Fact,
    Finding,
    Found,
    Moved,
)
from models.ledger.lane.call_history import left_nothing

_SUMS = 1 << 64


def check_sets(case: Case) -> Iterator[Finding]:
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
    if row.published_at is None or row.pruned_at is not None:
        # None was given, or it was pruned; what is stored of it is on its way out.
        return
    if row.audience_kind in audiences.KINDS and _asked_for(row) is None:
        yield case.finding(Found.UNREADABLE, kind=row.audience_kind)
    counted = lists.size(ASKED)
    if row.audience_kind == OpenIDs.kind:
        given = row.read - row.malformed - row.duplicate
        if counted != given:
            yield case.finding(Found.PLANNED, planned=given, counted=counted)
        elif not lists.erased and lists.digest != row.audience_digest:
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
    lists, leaves, is_there = case.lists, case.leaves, case.row.pruned_at is None
    for batch in case.batches:
        if is_there and batch.size and batch.id not in lists.ranges:
            yield case.finding(
                Found.RANGE,
                batch,
                list=batch.list or "-",
                start=batch.start,
                size=batch.size or 0,
                counted=lists.size(batch.list),
            )
        there = lists.ranges.get(batch.id)
        if there and there.erased != batch.erased:
            yield case.finding(Found.ERASED, batch, said=batch.erased, counted=there.erased)
    if not all(is_recognised(batch.state) for batch in case.batches):
        return
    # Where people were taken out of a batch its range is open; marks and sums then prove the rest.
    if (
        is_there
        and not lists.is_shrunk
        and all(batch.list != own_list(batch.n) for batch in case.batches)
    ):
        yield from _gaps(case, lists.resolved)
    total = sum(batch.size or 0 for batch in leaves)
    if total != case.row.planned:
        yield case.finding(Found.LEAVES, planned=case.row.planned or 0, counted=total)
    elif is_there and ASKED in lists.sizes and all(batch.id in lists.ranges for batch in leaves):
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
    Where somebody was erased nobody knows what the list made.
    """
    for batch in case.batches:
        made = None if batch.erased else _made(case, batch)
        if made is not None and batch.clientmsgid != made:
            yield case.finding(Found.KEY_CHANGED, batch, key=batch.clientmsgid, made=made)
        for call in batch.calls:
            same = call.clientmsgid in {batch.clientmsgid, made}
            if not same and not left_nothing(call.outcome, call.transport):
                yield case.finding(
                    Found.KEY_OF_CALL,
                    batch,
                    number=call.number,
                    key=call.clientmsgid,
                    made=batch.clientmsgid,
                )


def _made(case: Case, batch: AuditedBatch) -> str | None:
    """Return the clientmsgid that a batch makes; None where that is not known."""
    row = case.row
    if not _is_wechats(row):
        there = case.lists.ranges.get(batch.id)
        return there.key if there else None
    audience = _asked_for(row)
    if audience is None:
        return None
    packed = audiences.canonical_filter(audience).encode()
    return clientmsgid_of(appid=row.appid, key=row.key, content=row.content, packed=packed)


def check_stops(case: Case) -> Iterator[Finding]:
    """Yield every call that something forbade at the moment of its claim."""
    for batch in case.batches:
        for call in batch.calls:
            against: dict[Found, AuditedGate | None] = {}
            if case.row.phase in UNCALLED_PHASES:
                against[Found.NOT_RUNNING] = None
            for gate in case.gates:
                if gate.forbids(call):
                    against.setdefault(_kind(gate), gate)
            for found, by in against.items():
                facts: dict[str, Fact] = {"number": call.number, "at": call.started_at}
                if by is not None and found is Found.CANCELLED:
                    facts["cancelled"] = by.closed_at
                yield case.finding(found, batch, **facts)
        yield from _late(case, batch)


def _kind(gate: AuditedGate) -> Found:
    if gate.scope is not GateScope.BROADCAST:
        return Found.HALTED
    return Found.CANCELLED if gate.kind is GateKind.CANCEL else Found.NOT_RUNNING


def _late(case: Case, batch: AuditedBatch) -> Iterator[Finding]:
    """Yield repeats of what may have been sent over 23 h before: WeChat may have forgotten it.

    After the verdict "not sent" and a retry the window begins again.
    """
    window = case.waits.scaled(REPEAT_WINDOW)
    first: Call | None = None
    for call in batch.calls:
        if call.begins_anew:
            first = None
        if first is not None and call.started_at >= first.started_at + window:
            yield case.finding(
                Found.WINDOW,
                batch,
                number=call.number,
                at=call.started_at,
                first=first.started_at,
            )
        if first is None and (call.maybe_sent or call.said_accepted):
            first = call


# Gates


def gates(case: Case) -> Iterator[Finding]:
    """Yield gates of the broadcast that contradict each other, and calls that no counter has."""
    counter = case.lane.gate_counter
    for found, facts in contradictions(case.own_gates, counter):
        yield case.finding(found, None, **facts)
    for batch in case.batches:
        for call in batch.calls:
            if call.gate_counter > counter:
                yield case.finding(
                    Found.COUNTERS,
                    batch,
                    gate=f"#{call.number}",
                    closed=call.gate_counter,
                    opened="-",
                    lane=counter,
                )


def contradictions(
    gates: Sequence[AuditedGate], counter: int
) -> Iterator[tuple[Found, dict[str, Fact]]]:
    """Yield what is wrong with gates of one scope, whose lane has counted up to *counter*."""
    for gate in gates:
        opened = gate.opened_counter
        ordered = 0 < gate.closed_counter < (counter + 1 if opened is None else opened)
        whole = (gate.opened_at is None) == (opened is None)
        if not ordered or not whole or (opened or 0) > counter:
            yield (
                Found.COUNTERS,
                {
                    "gate": gate.kind,
                    "closed": gate.closed_counter,
                    "opened": "-" if opened is None else opened,
                    "lane": counter,
                },
            )
    alike = sorted(gates, key=lambda gate: (gate.only, gate.closed_counter))
    for one, other in itertools.pairwise(alike):
        if one.only == other.only and _stood(one, other):
            yield (
                Found.CLOSED_TWICE,
                {"gate": one.kind, "first": one.closed_at, "at": other.closed_at},
            )


def _stood(one: AuditedGate, other: AuditedGate) -> bool:
    """Return whether *one* was still closed when *other* was closed."""
    opened, opens = one.opened_counter, one.opens_at()
    lapsed = opens is not None and opens <= other.closed_at
    return one.is_understood and not lapsed and (opened is None or opened > other.closed_counter)


# Moves


def moves(case: Case) -> Iterator[Finding]:
    """Yield moves that the table does not have, and lines that do not follow from each other.

    A claim writes no line, for its attempt is one; a cancel writes one for several batches. What
    stands before the first line that is left may have been pruned.
    """
    for line in case.moves:
        if not _is_legal(line.old, line.new):
            yield case.finding(Found.ILLEGAL, old=line.old, new=line.new)
    for batch in case.batches:
        for line in batch.moves:
            if not _is_legal(line.old, line.new):
                yield case.finding(Found.ILLEGAL, batch, old=line.old, new=line.new)
        ends = [line.old for line in batch.moves[1:]] + [batch.state]
        for place, (line, at) in enumerate(zip(batch.moves, ends, strict=False), start=1):
            following = batch.moves[place] if place < len(batch.moves) else None
            by_claim = at is BatchState.CALLING
            if line.new == at or _moved_with_others(case, line, following, at=at):
                continue
            if not by_claim:
                found = Found.GAP if following else Found.LAST
                yield case.finding(found, batch, old=line.new, new=at)
            elif not _is_legal(line.new, at):
                yield case.finding(Found.ILLEGAL, batch, old=line.new, new=at)


def _is_legal(old: BatchState, new: BatchState) -> bool:
    known = is_recognised(old) and is_recognised(new)
    return not known or old == new or new in BATCH_MOVES[old]


def _moved_with_others(case: Case, line: Moved, following: Moved | None, *, at: BatchState) -> bool:
    """Return whether a line of several batches, written in between, leads from *line* to *at*."""
    return any(
        (one.old, one.new) == (line.new, at)
        and one.id > line.id
        and (following is None or one.id < following.id)
        for one in case.moves
    )


# The clock


def clock(case: Case) -> Iterator[Finding]:
    """Yield calls around which the database's clock went back.

    The end of a call is written after its beginning, and counters prove which of a call and a gate
    came first: where a moment says otherwise the clock was set back, and nothing was sent for it.
    """
    for batch in case.batches:
        for call in batch.calls:
            if call.ended_at is not None and call.ended_at < call.started_at:
                yield case.finding(
                    Found.CLOCK,
                    batch,
                    number=call.number,
                    earlier=call.ended_at,
                    later=call.started_at,
                )
                continue
            gate = next((gate for gate in case.gates if _is_turned(gate, call)), None)
            if gate is not None:
                pair = sorted((gate.closed_at, call.started_at))
                yield case.finding(
                    Found.CLOCK, batch, number=call.number, earlier=pair[0], later=pair[1]
                )


def _is_turned(gate: AuditedGate, call: Call) -> bool:
    """Return whether counters and moments disagree on which came first."""
    if call.gate_counter < gate.closed_counter:
        return call.started_at > gate.closed_at
    return call.started_at < gate.closed_at
