"""What one person got: the batches of an account that they are in, and where they were left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, literal, select

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.plan.selection import EXCLUDED_LISTS
from broadcast.plan.subtraction import REASONS
from broadcast.sorted_openids import unpacked
from broadcast.states import BatchState, Phase
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.transaction import snapshot
from models.recipients import ChunkRow
from models.types import Packed, place_in

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


def of_openid(engine: Engine, account: str, one: str, *, most: int) -> list[Received]:
    """Return the account's *most* newest broadcasts in whose lists somebody is, newest first.

    Those to WeChat's own lists are not among them: WeChat does not say who was in them.
    """
    with snapshot(engine) as connection:
        places = defaultdict[str, list[tuple[str, int]]](list)
        for broadcast_id, name, place in _places(connection, account, one):
            if broadcast_id not in places and len(places) == most:
                break
            places[broadcast_id].append((name, place))
        rows = connection.execute(
            select(BroadcastRow.id, BroadcastRow.title, BroadcastRow.created_at,
                   BroadcastRow.subtraction, BroadcastRow.planned, BroadcastRow.phase)
            .where(BroadcastRow.id.in_(places))
            .order_by(BroadcastRow.created_at.desc())
        )  # fmt: skip
        return [
            Received(
                broadcast_id=row.id, title=row.title, created_at=row.created_at,
                **_fate(connection, row.id, places[row.id], run=row.subtraction)
                or {"undecided": row.planned is None, "never_planned": row.phase is Phase.ENDED},
            )
            for row in rows.all()
        ]  # fmt: skip


def _places(connection: Connection, account: str, one: str) -> Iterator[tuple[str, str, int]]:
    """Yield in which lists somebody is, and at which place, of the newest broadcast first.

    Who stands in the file of an exclusion alone was never meant.
    """
    near = connection.scalars(
        select(ChunkRow.id)
        .join(BroadcastRow, BroadcastRow.id == ChunkRow.broadcast_id)
        .where(BroadcastRow.account == account)
        .where(ChunkRow.first_openid <= one, ChunkRow.last_openid >= one)
        .where(ChunkRow.list.not_like(f"{EXCLUDED_LISTS}%"))
        .where(BroadcastRow.published_at.is_not(None))
        .order_by(BroadcastRow.created_at.desc(), BroadcastRow.id)
    ).all()
    for chunk_id in _holding(connection, near, one):
        chunk = connection.execute(select(ChunkRow).where(ChunkRow.id == chunk_id)).one()
        place = int(np.searchsorted(ids := unpacked(chunk.openids), one.encode()))
        if place < len(ids) and ids[place] == one.encode():
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
