"""Stops: a call is a send, and so is a repeat. None after pause, cancel, halt or 23 hours.

Controls and claims hold the same row while they write, so their moments have an order. Where two
are equal (SQLite's clock ticks in milliseconds) nothing is proved, and nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from broadcast.call.waits import REPEAT_WINDOW
from broadcast.events import LANE_STOPS, EventKind
from broadcast.states import BROADCAST_RUNNING, BroadcastState
from models.ledger.audit import history
from models.ledger.audit.findings import CallResult, Finding, Found
from models.ledger.audit.snapshot import BatchCase, Call, Case, Moved

_RUNNING = frozenset(state.value for state in BROADCAST_RUNNING)

#: From when to when, both apart (None: still), and the line of history that begins it, if any.
Span = tuple[datetime, datetime | None, Moved | None]


def check(case: Case) -> Iterator[Finding]:
    """Yield every call that something forbade at the moment of its claim."""
    spans = _spans(case)
    for batch in case.batches:
        for call, end in zip(batch.calls, history.ends_of(batch), strict=True):
            for found, forbids in spans.items():
                against = [span for span in forbids if _inside(call.started_at, span)]
                if all(_is_before(call, end, stop) for _, _, stop in against):
                    continue
                facts: dict[str, CallResult] = {"number": call.number, "at": call.started_at}
                if found is Found.CANCELLED:
                    facts["cancelled"] = against[0][0]
                yield case.finding(found, batch, **facts)
        yield from _late(case, batch)


def written_after(case: Case, call: Call, end: Moved | None) -> Moved | None:
    """Return a stop that has an earlier moment than *call* and was written after its *end*."""
    for forbids in _spans(case).values():
        for span in forbids:
            if _inside(call.started_at, span) and _is_before(call, end, span[2]):
                return span[2]
    return None


def _spans(case: Case) -> dict[Found, list[Span]]:
    halted = list(_halted(case.lane.moves))
    if case.lane.halted_at is not None:
        halts = [move for move in case.lane.moves if move.kind is EventKind.LANE_HALT]
        halted.append((case.lane.halted_at, None, halts[-1] if halts else None))
    cancelled: list[Span] = []
    if case.row.cancelled_at is not None:
        cancels = [move for move in case.moves if move.new == BroadcastState.CANCELLED]
        cancelled.append((case.row.cancelled_at, None, cancels[-1] if cancels else None))
    return {
        Found.NOT_RUNNING: list(_standing(case.moves)),
        Found.CANCELLED: cancelled,
        Found.HALTED: halted,
    }


def _inside(moment: datetime, span: Span) -> bool:
    begin, end, _ = span
    return begin < moment and (end is None or moment < end)


def _is_before(call: Call, end: Moved | None, stop: Moved | None) -> bool:
    """Tell whether ids prove that *call* had ended when the *stop* was written.

    Only where the history contradicts its own order as well: a call whose row alone has a late
    moment was claimed then.
    """
    if end is None or stop is None or end.id >= stop.id:
        return False
    return stop.at < call.started_at <= end.at or history.ended_backwards(call, end)


def _standing(moves: Sequence[Moved]) -> Iterator[Span]:
    """Yield when the broadcast did not run; before its first line it was being uploaded."""
    if moves:
        yield datetime.min.replace(tzinfo=UTC), moves[0].at, None
    for move, after in zip(moves, [*moves[1:], None], strict=True):
        if move.new not in _RUNNING:
            yield move.at, after.at if after else None, move


def _halted(moves: Sequence[Moved]) -> Iterator[Span]:
    """Yield when the lane stood still for everybody."""
    since: Moved | None = None
    for move in moves:
        if move.kind in LANE_STOPS and since is None:
            since = move
        elif move.kind is EventKind.LANE_UNHALT and since is not None:
            yield since.at, move.at, since
            since = None
    if since is not None:
        yield since.at, None, since


def _late(case: Case, batch: BatchCase) -> Iterator[Finding]:
    """Yield repeats of what may have been sent over 23 h before: WeChat may have forgotten it.

    A person who says "not sent" and lets the batch be called again begins anew.
    """
    begins = {0, *history.of_batch(batch).again}
    first: Call | None = None
    for place, call in enumerate(batch.calls):
        if place in begins:
            first = None
        window = case.waits.scaled(REPEAT_WINDOW)
        if first is not None and call.started_at >= first.started_at + window:
            yield case.finding(
                Found.WINDOW, batch, number=call.number, at=call.started_at,
                first=first.started_at,
            )  # fmt: skip
        if first is None and (call.maybe_sent or call.said_accepted):
            first = call
