"""Members: who of a sorted list is in some batches of a broadcast.

Both lists are read in order, a piece at a time, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Protocol

import numpy as np
from sqlalchemy import Connection, Engine, and_, select

from broadcast.frozen import frozen
from broadcast.plan import selection
from broadcast.plan.audience import OpenIDs
from broadcast.plan.chunk import ASKED, CHUNK, Chunk
from broadcast.sorted_openids import Hits, IDs, Stream, unpacked
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import recipients
from models.ledger.transaction import read

#: Who is in these got it, or may have.
REACHED = frozenset({
    BatchState.ACCEPTED, BatchState.FINISHED, BatchState.IN_DOUBT, BatchState.UNKNOWN,
    BatchState.CALLING,
})  # fmt: skip


@frozen
class Range:
    """A batch: a range of a list of its broadcast."""

    n: int
    list: str
    start: int
    size: int
    state: BatchState
    #: When its last call began; None: it was never called.
    called_at: datetime | None


@frozen
class Part:
    """Some batches of a broadcast, in the order of their lists."""

    broadcast_id: str
    ranges: Sequence[Range]
    #: Its audience is the list that is looked at: who is in it is known by the places alone.
    same_list: bool = False

    @property
    def is_known(self) -> bool:
        """Whether nothing is read for it: its places in the list tell who is in it."""
        return self.same_list and all(one.list == ASKED for one in self.ranges)


def ranges(connection: Connection, broadcast_id: str) -> list[Range]:
    """Return the batches that were not split, in the order of their lists."""
    last = and_(AttemptRow.batch_id == Batch.id, AttemptRow.number == Batch.attempts)
    rows = connection.execute(
        select(
            Batch.n, Batch.list, Batch.start, Batch.size, Batch.state,
            AttemptRow.started_at.label("called_at"),
        )
        .join(AttemptRow, last, isouter=True)
        .where(Batch.broadcast_id == broadcast_id, Batch.state != BatchState.SPLIT)
        .where(Batch.list.is_not(None))
        .order_by(Batch.list, Batch.start)
    )  # fmt: skip
    return [Range(**row) for row in rows.mappings()]


def unplanned(connection: Connection, broadcast_id: str) -> Range:
    """Return the list of what was not cut into batches yet, as one range."""
    name, size = recipients.resolved(connection, broadcast_id)
    return Range(n=0, list=name, start=0, size=size, state=BatchState.PLANNED, called_at=None)


def is_known(connection: Connection, broadcast_id: str) -> bool:
    """Return whether who is in ``unplanned`` is who will get it, but for who is suppressed.

    So it is once its plan has left people out, or where its list is meant as it was given.
    """
    query = select(BroadcastRow.audience_kind, BroadcastRow.selection, BroadcastRow.subtraction)
    row = connection.execute(query.where(BroadcastRow.id == broadcast_id)).one()
    if row.subtraction is not None:
        return True
    try:
        return row.audience_kind == OpenIDs.kind and not selection.parse(row.selection).narrows
    except (KeyError, TypeError, ValueError):
        return False


def hits(engine: Engine, chunks: Iterable[Chunk], parts: Sequence[Part]) -> Iterator[list[Hits]]:
    """Yield, for one piece of a list after the other, who of it is in each of *parts*.

    *chunks* are the list; they are not read where places alone tell.
    """
    looks = [_look(engine, part) for part in parts]
    by_place = all(part.is_known for part in parts)
    for piece in _spans(parts) if by_place else map(_Piece.of, chunks):
        # Nobody is in two batches, so nobody is in two lists.
        yield [np.logical_or.reduce([one.hits(piece) for one in each]) for each in looks]


def pieces(engine: Engine, broadcast_id: str, of_one_list: Sequence[Range]) -> Iterator[bytes]:
    """Yield the packed OpenIDs of ranges of one list, in order."""
    name = of_one_list[0].list
    for start, end in _steps(of_one_list):
        with read(engine) as connection:
            found = recipients.packed(connection, broadcast_id, name, start=start, size=end - start)
        yield found


class _Piece:
    """A piece of the list: its place, and its OpenIDs where they are asked for."""

    def __init__(self, start: int, size: int, packed: bytes = b"") -> None:
        self.start, self.size = start, size
        self._packed = packed

    @classmethod
    def of(cls, chunk: Chunk) -> _Piece:
        return cls(chunk.start, chunk.size, chunk.packed)

    @cached_property
    def ids(self) -> IDs:
        return unpacked(self._packed)


class _Look(Protocol):
    """Looks for members, one piece after the other."""

    def hits(self, piece: _Piece) -> Hits:
        """Tell of each OpenID of *piece* whether it is a member."""


class _Places:
    """Members whose places in the list are known."""

    def __init__(self, of_one_list: Sequence[Range]) -> None:
        self._starts = np.array([one.start for one in of_one_list], np.int64)
        self._ends = np.array([one.start + one.size for one in of_one_list], np.int64)

    def hits(self, piece: _Piece) -> Hits:
        found = np.zeros(piece.size, bool)
        first = int(np.searchsorted(self._ends, piece.start, "right"))
        last = int(np.searchsorted(self._starts, piece.start + piece.size))
        for start, end in zip(self._starts[first:last], self._ends[first:last], strict=True):
            found[max(start - piece.start, 0) : end - piece.start] = True
        return found


class _Read:
    """Members whose list is read beside the other."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._stream = Stream(packed)

    def hits(self, piece: _Piece) -> Hits:
        return self._stream.hits(piece.ids)


def _look(engine: Engine, part: Part) -> list[_Look]:
    """Return a look for each list: lists lie across each other, what is in one is in order."""
    looks: list[_Look] = []
    for name, group in groupby(part.ranges, key=lambda one: one.list):
        there = list(group)
        known = part.same_list and name == ASKED
        read_in_order = pieces(engine, part.broadcast_id, there)
        looks.append(_Places(there) if known else _Read(read_in_order))
    return looks


def _spans(parts: Sequence[Part]) -> Iterator[_Piece]:
    end = max((one.start + one.size for part in parts for one in part.ranges), default=0)
    for start in range(0, end, CHUNK):
        yield _Piece(start, min(CHUNK, end - start))


def _steps(of_one_list: Iterable[Range]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a list joined to the length of a chunk: small batches cost no more."""
    at, end = 0, 0
    for one in of_one_list:
        if one.start != end or end - at >= CHUNK:
            if end > at:
                yield at, end
            at = one.start
        end = one.start + one.size
    if end > at:
        yield at, end
