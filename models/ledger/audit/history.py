"""The history of states: every line begins where the former ended, and every move is legal.

A claim writes no line of history, because its attempt is one: where a batch left *calling* without
having been seen to come there, one call was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from broadcast.states import BATCH_MOVES, BROADCAST_MOVES, BatchState, BroadcastState
from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import BatchCase, Call, Case, Moved

_LEGAL_OF_BATCHES = {old.value: {new.value for new in news} for old, news in BATCH_MOVES.items()}
_LEGAL = {old.value: {new.value for new in news} for old, news in BROADCAST_MOVES.items()}
_CALLING = BatchState.CALLING.value
_DOUBT = BatchState.IN_DOUBT.value


@dataclass(slots=True, kw_only=True)
class Path:
    """The way of one state from its first line of history to its row."""

    at: str
    illegal: list[tuple[str, str]] = field(default_factory=list)
    #: Where a line began elsewhere than the former had ended.
    gaps: list[tuple[str, str]] = field(default_factory=list)
    #: The end of each call, as far as the batch knows: its leaving *calling*.
    ends: list[Moved | None] = field(default_factory=list)
    #: How many calls had been made when a person let the batch begin again.
    again: list[int] = field(default_factory=list)
    #: How many calls had been made when a person closed a doubt.
    words: list[int] = field(default_factory=list)


def of_batch(batch: BatchCase) -> Path:
    """Follow a batch from *planned* to where its row says that it stands."""
    path = Path(at=BatchState.PLANNED.value)
    for move in batch.moves:
        if move.old == _CALLING != path.at:
            _call(path)
        _step(path, move, _LEGAL_OF_BATCHES)
        if move.old == _CALLING and path.ends:
            path.ends[-1] = move
        if (move.old, move.new) == (BatchState.REFUSED, BatchState.PLANNED):
            path.again.append(len(path.ends))
        if move.old == _DOUBT and move.by_hand:
            path.words.append(len(path.ends))
    if batch.written == _CALLING != path.at:
        _call(path)
    return path


def ends_of(batch: BatchCase) -> list[Moved | None]:
    """Return the end of each call of a batch; None where its history does not show it."""
    path = of_batch(batch)
    if path.gaps or len(path.ends) != len(batch.calls):
        return [None] * len(batch.calls)
    return path.ends


def ended_backwards(call: Call, end: Moved | None) -> bool:
    """Tell whether *call* ended before it began by its row and by its history alike.

    Its row was there before its end could be written, so that the clock went back in between.
    """
    if end is None or call.ended_at is None:
        return False
    return call.ended_at < call.started_at and end.at < call.started_at


def _call(path: Path) -> None:
    if _CALLING not in _LEGAL_OF_BATCHES.get(path.at, ()):
        path.illegal.append((path.at, _CALLING))
    path.at = _CALLING
    path.ends.append(None)


def _step(path: Path, move: Moved, legal: Mapping[str, set[str]]) -> None:
    if move.old != path.at:
        path.gaps.append((path.at, move.old))
    if move.new not in legal.get(move.old, ()):
        path.illegal.append((move.old, move.new))
    path.at = move.new


def of_broadcast(moves: Sequence[Moved]) -> Path:
    """Follow a broadcast from its upload."""
    path = Path(at=BroadcastState.UPLOADING.value)
    for move in moves:
        _step(path, move, _LEGAL)
    return path


def check(case: Case) -> Iterator[Finding]:
    """No state was reached by a way that the tables of states do not have."""
    yield from _told(case, of_broadcast(case.moves), None)
    for batch in case.batches:
        yield from _told(case, of_batch(batch), batch)


def _told(case: Case, path: Path, batch: BatchCase | None) -> Iterator[Finding]:
    for old, new in path.illegal:
        yield case.finding(Found.ILLEGAL, batch, old=old, new=new)
    for old, new in path.gaps:
        yield case.finding(Found.GAP, batch, old=old, new=new)
    written = (batch or case).written
    if path.at != written:
        yield case.finding(Found.LAST, batch, old=path.at, new=written)
