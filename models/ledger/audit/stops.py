"""Stops and order: no call behind a closed gate, none after 23 hours, no move that is not legal.

What closes or opens a gate raises the account's counter under the lane's lock, and each attempt
has the counter of its claim: their order is proved by rows alone, whatever the clock did. The
history is a log that may have been pruned: what is there is held against the table of moves.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from broadcast.call.waits import REPEAT_WINDOW
from broadcast.enums import is_recognised
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import GateKind
from broadcast.states import BATCH_MOVES, BatchState, Phase
from models.ledger.audit.case import AuditedBatch, AuditedGate, Call, Case, Moved
from models.ledger.audit.findings import Fact, Finding, Found

_PLANNING = frozenset({Phase.UPLOADING, Phase.PLANNING})


def check(case: Case) -> Iterator[Finding]:
    """Yield every call that something forbade at the moment of its claim."""
    for batch in case.batches:
        for call in batch.calls:
            against: dict[Found, AuditedGate | None] = {}
            if case.row.phase in _PLANNING:
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
                Found.WINDOW, batch, number=call.number, at=call.started_at,
                first=first.started_at,
            )  # fmt: skip
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
                    Found.COUNTERS, batch, gate=f"#{call.number}", closed=call.gate_counter,
                    opened="-", lane=counter,
                )  # fmt: skip


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
                    "gate": gate.kind, "closed": gate.closed_counter,
                    "opened": "-" if opened is None else opened, "lane": counter,
                },
            )  # fmt: skip
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
                    Found.CLOCK, batch, number=call.number, earlier=call.ended_at,
                    later=call.started_at,
                )  # fmt: skip
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
