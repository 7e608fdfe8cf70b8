"""Recipients: the OpenIDs of a range, a batch or a set, read chunk by chunk.

Which batches are in a set is read in one moment; their recipients are frozen at the first claim, so
they are read afterwards and nobody holds a transaction open while somebody reads.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection, Engine, Row, bindparam, func, select

from broadcast import openid
from broadcast.errors import ConflictError, InputError
from broadcast.frozen import alike, frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import selection
from broadcast.rules.plan.cut import ASKED, CHUNK, LEFT, SHRUNK, cut_out, name_of
from broadcast.rules.reports import SETS, set_of
from broadcast.rules.states import BatchState, Phase, Reason
from models.base import change, change_where, insert_row, row_of, value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.lists import suppressions
from models.ledger.rows import closed_gates, locked_rows
from models.ledger.rows.transaction import every_row, read, reading, selected
from models.recipients import ChunkRow, Skipped

SKIPPED = "skipped"
NAMES = (*SETS, SKIPPED)

# Built once: a lane runs it for each call. Chunks of one list are at most CHUNK long.
_CHUNKS = (
    select(ChunkRow.start, ChunkRow.openids)
    .filter_by(broadcast_id=bindparam("broadcast_id"), list=bindparam("name"))
    .where(ChunkRow.start > bindparam("after"), ChunkRow.start < bindparam("end"))
    .order_by(ChunkRow.start)
)


def packed(connection: Connection, broadcast_id: str, name: str, *, start: int, size: int) -> bytes:
    """Return the packed OpenIDs of a range of a list. Raises ValueError where some are missing."""
    rows = connection.execute(
        _CHUNKS,
        {"broadcast_id": broadcast_id, "name": name, "after": start - CHUNK, "end": start + size},
    )
    chunks = [
        (row.start, row.openids)
        for row in rows
        if row.start + len(row.openids) // openid.PACKED_LENGTH > start
    ]
    return cut_out(chunks, start=start, size=size)


def heeded_in(connection: Connection, broadcast_id: str) -> str | None:
    """Return the account of a broadcast that heeds its suppression list; None: none is on it.

    Whoever submitted it may have said that all get it: that is None, too.
    """
    row = row_of(connection, broadcast_id, BroadcastRow.account, BroadcastRow.selection)
    ignored = selection.parse(row.selection).ignore_suppression
    is_heeded = not ignored and suppressions.is_anybody_in(connection, row.account)
    return row.account if is_heeded else None


heeded = reading(heeded_in)


def resolved(connection: Connection, broadcast_id: str) -> tuple[str, int]:
    """Return the list from which a plan cuts, what is left or else what was asked, and its size."""
    run = value_of(connection, broadcast_id, BroadcastRow.subtraction)
    name = ASKED if run is None else name_of(LEFT, run)
    return name, size_of(connection, broadcast_id, name)


def size_of(connection: Connection, broadcast_id: str, name: str) -> int:
    """Return how many OpenIDs a list holds."""
    size = connection.scalar(
        select(func.sum(ChunkRow.size)).filter_by(broadcast_id=broadcast_id, list=name)
    )
    return int(size or 0)


@frozen
class Portion:
    """The OpenIDs of one batch, and what is the same for all of them."""

    #: One behind the other, 28 ASCII characters each, sorted.
    openids: bytes = field(repr=False)
    #: 0, and no state: they were left out, for the reason.
    n: int
    state: BatchState | None
    reason: str | None
    errcode: int | None
    msg_id: int | None


@frozen
class SkippedLines:
    """The lines that were left out for one reason: how many, and the first of them."""

    reason: str
    count: int
    #: Line number and text.
    lines: list[tuple[int, str]]


@frozen
class Member:
    """Some people of one list, and the batch that they are in; none where they were left out."""

    n: int = 0
    list: str
    start: int
    size: int
    state: BatchState | None = None
    reason: str | None
    errcode: int | None = None
    msg_id: int | None = None


def portions(engine: Engine, broadcast_id: str, *names: str) -> Iterator[Portion]:
    """Yield the OpenIDs of the sets of these *names*, in the order of the batches.

    All sets are those of one moment, so nobody is in two of them. Nothing for WeChat's own sends,
    whose list is WeChat's. Raises UnknownIdError, InputError for a name that is no set of
    followers, and ConflictError where a plan that was not made decides who is in it, before the
    first.
    """
    for name in names:
        if name not in SETS:
            raise InputError("error.recipients.set", name=name, sets=", ".join(NAMES))
    with read(engine) as connection:
        members = _members(connection, broadcast_id, frozenset(names))
    return of_members(engine, broadcast_id, members)


def of_members(engine: Engine, broadcast_id: str, members: Sequence[Member]) -> Iterator[Portion]:
    """Yield the OpenIDs of ranges, each read in a transaction of its own.

    Raises ConflictError where a prune comes between two of them.
    """
    for member in members:
        with read(engine) as connection:
            try:
                found = packed(
                    connection, broadcast_id, member.list, start=member.start, size=member.size
                )
            except ValueError:
                _refuse_pruned(
                    broadcast_id, value_of(connection, broadcast_id, BroadcastRow.pruned_at)
                )
                raise
        yield alike(Portion, member, openids=openid.present(openid.unpack(found)))


def _members(connection: Connection, broadcast_id: str, names: frozenset[str]) -> list[Member]:
    """Return who is in some sets. Raises ConflictError where nobody knows who that is."""
    stands = _published(connection, broadcast_id)
    _refuse_pruned(broadcast_id, stands.pruned_at)
    if stands.planned is None and stands.path is SendPath.MASS_SEND and names & _OF_A_PLAN:
        name = "never_planned" if stands.phase is Phase.ENDED else "unplanned"
        raise ConflictError(f"error.recipients.{name}", id=broadcast_id)
    return _in_sets(connection, broadcast_id, names, stands=stands)


def _refuse_pruned(broadcast_id: str, pruned_at: datetime | None) -> None:
    if pruned_at is not None:
        raise ConflictError("error.recipients.pruned", id=broadcast_id)


def members_in(connection: Connection, broadcast_id: str) -> list[Member]:
    """Return who is in all sets; nobody where no plan says who that is. Raises UnknownIdError."""
    return _in_sets(connection, broadcast_id, SETS, stands=_published(connection, broadcast_id))


def _in_sets(
    connection: Connection, broadcast_id: str, names: Container[str], *, stands: _Published
) -> list[Member]:
    """Return the batches of some sets; of what is not planned yet, the chunks of its list."""
    there = _batches(connection, broadcast_id) if stands.phase is not Phase.PLANNING else []
    # Nobody is planned where everybody was left out.
    if not there and stands.planned:
        return _unplanned(connection, broadcast_id, names)
    return [member for member in there if member.state and set_of(member.state) in names]


#: The sets that hold anybody of a list that was never cut.
_OF_A_PLAN = frozenset({"waiting", "cancelled"})


_Published: TypeAlias = Row[Phase, int | None, SendPath, datetime | None]


def _published(connection: Connection, broadcast_id: str) -> _Published:
    query = select(
        BroadcastRow.phase, BroadcastRow.planned, BroadcastRow.path, BroadcastRow.pruned_at
    ).where(BroadcastRow.id == broadcast_id, BroadcastRow.phase != Phase.UPLOADING)
    stands = connection.execute(query).first()
    if stands is None:
        raise locked_rows.unknown_id(connection, broadcast_id)
    return stands


def _batches(connection: Connection, broadcast_id: str) -> Sequence[Member]:
    query = (
        selected(Member, Batch)
        .where(Batch.broadcast_id == broadcast_id, Batch.state != BatchState.SPLIT)
        .where(Batch.list.is_not(None))
        .order_by(Batch.n)
    )
    return every_row(connection, query, Member)


def _unplanned(connection: Connection, broadcast_id: str, names: Container[str]) -> list[Member]:
    """Return everybody of a list that never became batches: they wait, or were cancelled."""
    gates = closed_gates.of_broadcasts(connection, [broadcast_id])
    cancelled = any(gate.kind is GateKind.CANCEL for gate in gates)
    if ("cancelled" if cancelled else "waiting") not in names:
        return []
    chosen, _ = resolved(connection, broadcast_id)
    rows = connection.execute(
        select(ChunkRow.start, ChunkRow.size)
        .filter_by(broadcast_id=broadcast_id, list=chosen)
        .order_by(ChunkRow.start)
    )
    return [
        Member(
            n=n,
            list=chosen,
            start=start,
            size=size,
            state=BatchState.CANCELLED if cancelled else BatchState.PLANNED,
            reason=Reason.BY_HAND if cancelled else None,
        )
        for n, (start, size) in enumerate(rows, start=1)
    ]


@reading
def skipped(connection: Connection, broadcast_id: str) -> list[SkippedLines]:
    """Return the lines that were left out, by reason. Raises UnknownIdError."""
    _published(connection, broadcast_id)
    return skipped_in(connection, broadcast_id)


def skipped_in(connection: Connection, broadcast_id: str) -> list[SkippedLines]:
    """Do the work of :func:`skipped` in a transaction of the caller's."""
    rows = connection.execute(
        select(Skipped.reason, Skipped.count.label("lines"), Skipped.sample)
        .where(Skipped.broadcast_id == broadcast_id)
        .order_by(Skipped.reason)
    ).all()
    return [
        SkippedLines(
            reason=row.reason,
            count=row.lines,
            lines=[(line, text) for line, text in json.loads(row.sample)],
        )
        for row in rows
    ]


def left_out_in(connection: Connection, broadcast_id: str) -> list[Member]:
    """Return the stored people whom the plan left out, or who left after it: in pieces."""
    run = value_of(connection, broadcast_id, BroadcastRow.subtraction)
    names = {
        name_of(reason, one): reason for reason in selection.REASONS for one in (run, SHRUNK) if one
    }
    query = select(ChunkRow.list, ChunkRow.start, ChunkRow.size).where(
        ChunkRow.broadcast_id == broadcast_id, ChunkRow.list.in_(names)
    )
    rows = connection.execute(query.order_by(ChunkRow.list, ChunkRow.start))
    return [
        Member(reason=names[row.list], list=row.list, start=row.start, size=row.size)
        for row in rows
    ]


#: How many of a reason are shown.
SHOWN = 1_000


def count_skipped(
    connection: Connection, broadcast_id: str, reason: str, *, more: int, sample: Sequence[str]
) -> None:
    """Count *more* people as left out for a reason, and show the first of them.

    They are in no line of what was read, so their number is 0. The lane is locked.
    """
    mine = (Skipped.broadcast_id == broadcast_id, Skipped.reason == reason)
    shown = [[0, openid] for openid in sample[:SHOWN]]
    there = connection.execute(select(Skipped.count, Skipped.sample).where(*mine)).first()
    if there is None:
        insert_row(
            connection,
            Skipped,
            broadcast_id=broadcast_id,
            reason=reason,
            count=more,
            sample=json.dumps(shown),
        )
        return
    change_where(
        connection,
        Skipped,
        *mine,
        count=Skipped.count + more,
        sample=json.dumps([*json.loads(there.sample), *shown][:SHOWN], ensure_ascii=False),
    )


def move_figures(connection: Connection, broadcast_id: str, moved: Mapping[str, int]) -> None:
    """Move people from *planned* to the figures of their reasons: the sums stay the same."""
    values = {reason: getattr(BroadcastRow, reason) + more for reason, more in moved.items()}
    change(
        connection,
        BroadcastRow,
        broadcast_id,
        planned=BroadcastRow.planned - sum(moved.values()),
        version=BroadcastRow.version + 1,
        **values,
    )
