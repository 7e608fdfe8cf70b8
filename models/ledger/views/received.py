"""Broadcasts of one person: their batches of an account, and the lists that left them out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, literal, select

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.overlap import Newer
from broadcast.rules.plan.cut import Chunk
from broadcast.rules.plan.selection import EXCLUDED_LISTS, REASONS
from broadcast.rules.states import BatchState, Phase
from models.base import Packed, count_of, place_in, value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.plan import removals
from models.ledger.plan.removals import REACHED, Part, Range
from models.ledger.rows.transaction import at_one_moment, read, reading
from models.recipients import ChunkRow

#: Chunks that one statement looks at: with enough found, no older ones are.
_LOOKED_AT = 50


@frozen
class Received:
    """One broadcast in whose list somebody was."""

    broadcast_id: str
    title: str | None
    created_at: datetime
    #: The batch that they are in, its state, and when it was called first; None: in none (yet).
    n: int | None = None
    state: BatchState | None = None
    called_at: datetime | None = None
    #: Why they were left out, a word of ``--json``; None: they were not.
    skipped: str | None = None
    #: The plan is still to decide whether they are left out.
    undecided: bool = False
    #: It ended before there were any batches.
    never_planned: bool = False


@at_one_moment
def of_openid(connection: Connection, account: str, one: str, *, most: int) -> list[Received]:
    """Return the account's *most* newest broadcasts in whose lists somebody is, newest first.

    Those to WeChat's own lists are not among them: WeChat does not say who was in them.
    """
    places = defaultdict[str, list[tuple[str, int]]](list)
    for broadcast_id, name, place in _places(connection, account, one):
        if broadcast_id not in places and len(places) == most:
            break
        places[broadcast_id].append((name, place))
    rows = connection.execute(
        select(
            BroadcastRow.id,
            BroadcastRow.title,
            BroadcastRow.created_at,
            BroadcastRow.subtraction,
            BroadcastRow.planned,
            BroadcastRow.phase,
        )
        .where(BroadcastRow.id.in_(places))
        .order_by(BroadcastRow.created_at.desc())
    )
    return [
        Received(
            broadcast_id=row.id,
            title=row.title,
            created_at=row.created_at,
            **_fate(connection, row.id, places[row.id], run=row.subtraction)
            or {"undecided": row.planned is None, "never_planned": row.phase is Phase.ENDED},
        )
        for row in rows.all()
    ]


@reading
def pruned(connection: Connection, account: str) -> int:
    """Return of how many broadcasts of an account nobody knows any more who was in them."""
    mine = (BroadcastRow.account == account, BroadcastRow.pruned_at.is_not(None))
    return count_of(connection, BroadcastRow, *mine)


def _places(connection: Connection, account: str, one: str) -> Iterator[tuple[str, str, int]]:
    """Yield in which lists somebody is, and at which place, of the newest broadcast first.

    Who stands in the file of an exclusion alone was never meant.
    """
    near = connection.scalars(
        select(ChunkRow.id)
        .join(BroadcastRow, BroadcastRow.id == ChunkRow.broadcast_id)
        .filter_by(account=account)
        .where(ChunkRow.first_openid <= one, ChunkRow.last_openid >= one)
        .where(ChunkRow.list.not_like(f"{EXCLUDED_LISTS}%"))
        .where(BroadcastRow.published_at.is_not(None))
        .order_by(BroadcastRow.created_at.desc(), BroadcastRow.id)
    ).all()
    for chunk_id in _holding(connection, near, one):
        chunk = connection.execute(select(ChunkRow).filter_by(id=chunk_id)).one()
        place = openid.place_of(one.encode(), chunk.openids)
        if place is not None:
            yield chunk.broadcast_id, chunk.list, chunk.start + place


def _holding(connection: Connection, near: Sequence[int], one: str) -> Iterator[int]:
    """Yield which of some chunks may hold somebody, in their order.

    The database looks: reading each chunk took twice as long, and 210 kB each over the network.
    """
    packed = literal(openid.pack(one.encode()), Packed)
    for start in range(0, len(near), _LOOKED_AT):
        some = near[start : start + _LOOKED_AT]
        found = select(ChunkRow.id).where(
            ChunkRow.id.in_(some), place_in(ChunkRow.openids, packed) > 0
        )
        holding = set(connection.scalars(found))
        yield from (chunk_id for chunk_id in some if chunk_id in holding)


def _fate(
    connection: Connection, broadcast_id: str, places: Sequence[tuple[str, int]], *, run: str | None
) -> dict[str, Any]:
    """Return the batch that somebody is in, else why they were left out."""
    for name, place in places:
        row = (
            connection.execute(
                select(Batch.n, Batch.state, Batch.first_called_at.label("called_at"))
                .where(Batch.broadcast_id == broadcast_id, Batch.list == name)
                .where(Batch.start <= place, Batch.start + Batch.size > place)
                .where(Batch.state != BatchState.SPLIT)
            )
            .mappings()
            .first()
        )
        if row is not None:
            return dict(row)
    for name, _ in places:
        reason, _, of_run = name.partition(".")
        if reason in REASONS and of_run in {run, "shrunk"}:
            return {"skipped": reason}
    return {}


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
        there = _batches_of(connection, broadcast_id) if parts else []
    mine = [one for one in there if one.n in numbers]
    followers, counts = 0, [0] * len(parts)
    for of_one_list in _by_list(mine):
        chunks = _chunks(engine, broadcast_id, of_one_list)
        for hits in removals.member_hits(engine, chunks, parts):
            counts = removals.counted(hits, counts)
            followers += int(np.logical_or.reduce(hits).sum())
    ids = [part.broadcast_id for part, n in zip(parts, counts, strict=True) if n]
    return Newer(followers=followers, ids=ids)


def _part(connection: Connection, broadcast_id: str, counted: Collection[BatchState]) -> Part:
    """Return the batches of a broadcast in one of the states that count."""
    phase = value_of(connection, broadcast_id, BroadcastRow.phase)
    ranges = removals.known_members(connection, broadcast_id, phase) or ()
    return Part(broadcast_id=broadcast_id, ranges=[one for one in ranges if one.state in counted])


def _batches_of(connection: Connection, broadcast_id: str) -> Sequence[Range]:
    """Return its batches; of what was not cut into any, the whole list as number 0."""
    phase = value_of(connection, broadcast_id, BroadcastRow.phase)
    planned = phase is not Phase.PLANNING
    ranges = removals.member_ranges(connection, broadcast_id) if planned else ()
    return ranges or [removals.unplanned_members(connection, broadcast_id)]


def _by_list(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    for _, group in groupby(ranges, key=lambda one: one.list):
        yield list(group)


def _chunks(engine: Engine, broadcast_id: str, of_one_list: Sequence[Range]) -> Iterator[Chunk]:
    start = 0
    for packed in removals.member_pieces(engine, broadcast_id, of_one_list):
        piece = Chunk(start=start, packed=packed)
        yield piece
        start += piece.size
