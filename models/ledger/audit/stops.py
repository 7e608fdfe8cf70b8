"""Stops: a call is a send, and so is a repeat. None after pause, cancel, halt or 23 hours.

Controls and claims hold the same row while they write, so their moments have an order. Where two
are equal (SQLite's clock ticks in milliseconds) nothing is proved, and nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from broadcast.states import BROADCAST_RUNNING
from broadcast.waits import REPEAT_WINDOW
from models.ledger.audit import history
from models.ledger.audit.case import BatchCase, Call, Case, Moved
from models.ledger.audit.findings import Finding, Found

_RUNNING = frozenset(state.value for state in BROADCAST_RUNNING)
_STOPS, _GOES_ON = frozenset({"lane.halt", "lane.stop"}), "lane.unhalt"

#: From when to when, both apart; None: still.
Span = tuple[datetime, datetime | None]


def check(case: Case) -> Iterator[Finding]:
    """Yield every call that something forbade at the moment of its claim."""
    standing = list(_standing(case.moves))
    halted = list(_halted(case.lane.moves))
    if case.lane.halted_at is not None:
        halted.append((case.lane.halted_at, None))
    cancelled = case.row.cancelled_at
    for batch in case.batches:
        for call in batch.calls:
            if _inside(call.started_at, standing):
                yield case.finding(Found.NOT_RUNNING, batch, number=call.number, at=call.started_at)
            if cancelled is not None and call.started_at > cancelled:
                yield case.finding(
                    Found.CANCELLED, batch, number=call.number, at=call.started_at,
                    cancelled=cancelled,
                )  # fmt: skip
            if _inside(call.started_at, halted):
                yield case.finding(Found.HALTED, batch, number=call.number, at=call.started_at)
        yield from _late(case, batch)


def _inside(moment: datetime, spans: Iterable[Span]) -> bool:
    return any(begin < moment and (end is None or moment < end) for begin, end in spans)


def _standing(moves: Sequence[Moved]) -> Iterator[Span]:
    """Yield when the broadcast did not run; before its first line it was being uploaded."""
    if moves:
        yield datetime.min.replace(tzinfo=UTC), moves[0].at
    for move, after in zip(moves, [*moves[1:], None], strict=True):
        if move.new not in _RUNNING:
            yield move.at, after.at if after else None


def _halted(moves: Sequence[Moved]) -> Iterator[Span]:
    """Yield when the lane stood still for everybody."""
    since: datetime | None = None
    for move in moves:
        if move.kind in _STOPS and since is None:
            since = move.at
        elif move.kind == _GOES_ON and since is not None:
            yield since, move.at
            since = None
    if since is not None:
        yield since, None


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
