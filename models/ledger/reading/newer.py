"""Newer broadcasts: who of what an old one would call got a newer one of the account meanwhile.

The rest of a broadcast that was refused in the middle is sent by a new one; the old one, called
again, would reach the same followers once more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

import numpy as np
from sqlalchemy import Connection, Engine, select

from broadcast.overlap import Newer
from broadcast.plan.chunk import Chunk
from broadcast.states import BatchState, Phase
from models.broadcast import BroadcastRow
from models.ledger.reading import members
from models.ledger.reading.members import REACHED, Part, Range
from models.ledger.transaction import read


def newer(
    engine: Engine,
    broadcast_id: str,
    numbers: Collection[int],
    *,
    among: Sequence[str],
    to_come: bool = True,
) -> Newer:
    """Return how many of the batches of these *numbers* got a broadcast of *among*.

    Whoever may have got it counts, and with *to_come* whoever will. Raises DatabaseAwayError.
    """
    counted = REACHED | ({BatchState.PLANNED} if to_come else set())
    with read(engine) as connection:
        parts = [_part(connection, one, counted) for one in among]
        parts = [part for part in parts if part.ranges]
        there = _there(connection, broadcast_id) if parts else []
    mine = [one for one in there if one.n in numbers]
    followers, counts = 0, [0] * len(parts)
    for of_one_list in _by_list(mine):
        chunks = _chunks(engine, broadcast_id, of_one_list)
        for hits in members.hits(engine, chunks, parts):
            counts = [n + int(one.sum()) for n, one in zip(counts, hits, strict=True)]
            followers += int(np.logical_or.reduce(hits).sum())
    ids = [part.broadcast_id for part, n in zip(parts, counts, strict=True) if n]
    return Newer(followers=followers, ids=ids)


def _part(connection: Connection, broadcast_id: str, counted: Collection[BatchState]) -> Part:
    """Return the batches of a broadcast in one of the states that count."""
    phase = connection.scalar(select(BroadcastRow.phase).where(BroadcastRow.id == broadcast_id))
    if phase is Phase.PLANNING:
        known = members.is_known(connection, broadcast_id)
        ranges = [members.unplanned(connection, broadcast_id)] if known else []
    else:
        ranges = members.ranges(connection, broadcast_id)
    return Part(broadcast_id=broadcast_id, ranges=[one for one in ranges if one.state in counted])


def _there(connection: Connection, broadcast_id: str) -> list[Range]:
    """Return its batches; of what was not cut into any, the whole list as number 0."""
    cut = select(BroadcastRow.phase != Phase.PLANNING).where(BroadcastRow.id == broadcast_id)
    ranges = members.ranges(connection, broadcast_id) if connection.scalar(cut) else []
    return ranges or [members.unplanned(connection, broadcast_id)]


def _by_list(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    for _, group in groupby(ranges, key=lambda one: one.list):
        yield list(group)


def _chunks(engine: Engine, broadcast_id: str, of_one_list: Sequence[Range]) -> Iterator[Chunk]:
    start = 0
    for packed in members.pieces(engine, broadcast_id, of_one_list):
        piece = Chunk(start=start, packed=packed)
        yield piece
        start += piece.size
