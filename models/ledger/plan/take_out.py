"""Shrinking: people are taken out of untouched batches, between the plan and the call.

Who is in a batch is frozen while it is claimed, and once a call of it may have left. A claim is
made under the lane's lock, as this is, and names the clientmsgid, which changes here with the
people. What was made ready for the batch as it stood is then claimed no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, Engine

from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.plan.cut import SHRUNK, Chunk, chunked, name_of, own_list
from broadcast.rules.plan.selection import REASONS, Rearranged, rearrange
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.sorted_openids import IDs, are_in, packed, unpacked
from models.accounts import AccountRow
from models.base import change, change_where, delete_where, insert_row, row_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.gates import quotas
from models.ledger.lane import transitions
from models.ledger.lane.call_history import SHRINKS
from models.ledger.lists import recipients
from models.ledger.lists.uploads import chunk_row
from models.ledger.rows import lane_rows, locked_rows
from models.ledger.rows.locked_rows import run
from models.ledger.rows.transaction import (
    WORKER,
    LockedBroadcast,
    every_row,
    note,
    one_row,
    selected,
)
from models.recipients import ChunkRow


@frozen
class _Broadcast:
    """Parts of the keys of a broadcast's batches."""

    id: str
    account: str
    key: str
    content: str
    batch_size: int


@frozen
class Untouched:
    """A batch of which no call left."""

    id: int
    n: int
    list: str
    start: int
    size: int
    parent_id: int | None
    attempts: int


@frozen
class _Edges:
    """A chunk, without its OpenIDs."""

    list: str
    start: int
    size: int
    first_openid: str
    last_openid: str


def shrink(engine: Engine, broadcast_id: str, people: bytes, *, reason: str) -> int:
    """Remove *people* from the batches without a call; return how many were in them.

    *people*: packed OpenIDs. They move from *planned* to the figure and the list of *reason*, and
    calls that vanish are freed. What is not planned yet is left to its plan.
    """
    if reason not in REASONS:
        raise ValueError(f"nobody is left out as {reason!r}")
    wanted = np.unique(unpacked(people))

    def work(connection: Connection, row: LockedBroadcast) -> int:
        if row.phase is not Phase.SENDING or not len(wanted):
            return 0
        query = selected(_Broadcast, BroadcastRow).filter_by(id=broadcast_id)
        broadcast = one_row(connection, query, _Broadcast)
        return _shrink(connection, broadcast, wanted, reason=reason)

    return run(engine, broadcast_id, work)


def _shrink(connection: Connection, broadcast: _Broadcast, wanted: IDs, *, reason: str) -> int:
    there = untouched(connection, broadcast.id)
    left, out = {}, list[IDs]()
    for batch in _may_hold(connection, broadcast.id, there, wanted=wanted):
        ids = people_in(connection, broadcast.id, batch)
        hits = are_in(ids, wanted)
        if hits.any():
            left[batch.n] = ids[~hits]
            out.append(ids[hits])
    if not out:
        return 0
    sizes = {batch.n: len(left[batch.n]) if batch.n in left else batch.size for batch in there}
    plan = rearrange(sizes, largest=broadcast.batch_size)
    _transfer(connection, broadcast.id, there, left=left, plan=plan)
    changed = [batch for batch in there if batch.n in left]
    _store(connection, broadcast, [one for one in changed if one.n not in plan.gone], left=left)
    _end(connection, broadcast, there, plan=plan)
    removed = np.sort(np.concatenate(out))
    _count(connection, broadcast, removed, reason=reason)
    return len(removed)


def untouched(connection: Connection, broadcast_id: str) -> Sequence[Untouched]:
    """Return the batches of a broadcast of which no call left."""
    query = (
        selected(Untouched, Batch)
        .where(Batch.broadcast_id == broadcast_id, SHRINKS)
        .order_by(Batch.n)
    )
    return every_row(connection, query, Untouched)


def _may_hold(
    connection: Connection, broadcast_id: str, there: Sequence[Untouched], *, wanted: IDs
) -> list[Untouched]:
    """Return the batches that may hold one of *wanted*, by the edges of their chunks alone."""
    query = selected(_Edges, ChunkRow).where(
        ChunkRow.broadcast_id == broadcast_id, ChunkRow.list.in_({batch.list for batch in there})
    )
    near = [
        edges
        for edges in every_row(connection, query, _Edges)
        if np.searchsorted(wanted, edges.first_openid.encode(), "left")
        < np.searchsorted(wanted, edges.last_openid.encode(), "right")
    ]
    return [
        batch
        for batch in there
        if any(
            edges.list == batch.list
            and edges.start < batch.start + batch.size
            and batch.start < edges.start + edges.size
            for edges in near
        )
    ]


def people_in(connection: Connection, broadcast_id: str, batch: Untouched) -> IDs:
    """Return the OpenIDs of a batch."""
    return unpacked(
        recipients.packed(connection, broadcast_id, batch.list, start=batch.start, size=batch.size)
    )


def _transfer(
    connection: Connection,
    broadcast_id: str,
    there: Sequence[Untouched],
    *,
    left: dict[int, IDs],
    plan: Rearranged,
) -> None:
    """Move single people to where they can be sent to."""
    by_n = {batch.n: batch for batch in there}
    for move in plan.transfers:
        for n in (move.giver, move.taker):
            if n not in left:
                left[n] = people_in(connection, broadcast_id, by_n[n])
        giver, taker = left[move.giver], left[move.taker]
        left[move.giver], left[move.taker] = giver[:-1], np.sort(np.append(taker, giver[-1:]))


def _store(
    connection: Connection,
    broadcast: _Broadcast,
    changed: Sequence[Untouched],
    *,
    left: Mapping[int, IDs],
) -> None:
    """Give each batch that changed a list and a clientmsgid of its own."""
    appid = row_of(connection, broadcast.account, AccountRow.appid).appid
    for batch in changed:
        people, name = packed(left[batch.n]), own_list(batch.n)
        whose = (ChunkRow.broadcast_id == broadcast.id, ChunkRow.list == name)
        delete_where(connection, ChunkRow, *whose)
        for chunk in chunked([people]):
            insert_row(connection, ChunkRow, **chunk_row(broadcast.id, name, chunk))
        key = clientmsgid_of(
            appid=appid, key=broadcast.key, content=broadcast.content, packed=people
        )
        change(
            connection,
            Batch,
            batch.id,
            list=name,
            start=0,
            size=len(left[batch.n]),
            clientmsgid=key,
        )


def _end(
    connection: Connection, broadcast: _Broadcast, there: Sequence[Untouched], *, plan: Rearranged
) -> None:
    """End batches of which nobody, or a single person, is left, and free their calls."""
    ended = {*plan.gone, *plan.too_few}
    for batch in there:
        if batch.n not in ended:
            continue
        mine = Batch.id == batch.id
        if batch.n in plan.gone and batch.parent_id is None and not batch.attempts:
            delete_where(connection, Batch, mine)
            continue
        if batch.n in plan.gone:
            # The half of a batch stays, so that what became of the whole can be read, and so does
            # one with attempts, which are never deleted.
            nobody = {"list": own_list(batch.n), "start": 0, "size": 0}
            change_where(connection, Batch, mine, **nobody)
        transitions.move_batch(
            connection,
            locked_rows.locked_batch(connection, batch.id),
            BatchState.CANCELLED,
            reason=Reason.TOO_FEW,
            not_before=None,
        )
    quotas.release(connection, broadcast.id, calls=len(ended))


def _count(connection: Connection, broadcast: _Broadcast, removed: IDs, *, reason: str) -> None:
    """Count and list who was taken out, and end the broadcast if nothing is left of it."""
    name, people = name_of(reason, SHRUNK), packed(removed)
    size = recipients.size_of(connection, broadcast.id, name)
    for chunk in chunked([people]):
        added = Chunk(start=size + chunk.start, packed=chunk.packed)
        insert_row(connection, ChunkRow, **chunk_row(broadcast.id, name, added))
    moved = Counter({reason: len(removed)})
    recipients.move_figures(connection, broadcast.id, moved)
    sample = [one.decode("ascii") for one in removed[: recipients.SHOWN].tolist()]
    recipients.count_skipped(connection, broadcast.id, reason, more=len(removed), sample=sample)
    note(
        connection,
        EventKind.SHRUNK,
        who=WORKER,
        broadcast_id=broadcast.id,
        reason=reason,
        count=len(removed),
    )
    if transitions.counts(connection, broadcast.id).keys() - {BatchState.SPLIT}:
        transitions.end_if_at_rest(connection, broadcast.id)
    else:
        transitions.end(connection, broadcast.id, BroadcastState.CANCELLED)
    lane_rows.refresh_due(connection, broadcast.account)
