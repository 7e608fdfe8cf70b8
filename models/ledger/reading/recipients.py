"""Recipients: the OpenIDs of one set, streamed batch by batch, never all in memory.

Which batches are in the set is read in one moment; their OpenIDs never change, so they are read
pack by pack afterwards and nobody holds a transaction open while somebody reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, exists, select

from broadcast import openid
from broadcast.call.attempts import Reason
from broadcast.errors import InputError
from broadcast.reports import SETS
from broadcast.states import BatchState, BroadcastState
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.ledger.reading import reports
from models.ledger.transaction import AnyRow, read
from models.skipped import Skipped

SKIPPED = "skipped"
NAMES = (*SETS, SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """The OpenIDs of one batch, and what is the same for all of them."""

    #: One behind the other, 28 ASCII characters each, sorted.
    openids: bytes = field(repr=False)
    n: int
    state: BatchState
    reason: Reason | None
    errcode: int | None
    msg_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLines:
    """The lines that were left out for one reason: how many, and the first of them."""

    reason: str
    count: int
    #: Line number and text.
    lines: list[tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    n: int
    pack_id: int
    state: BatchState
    reason: Reason | None
    errcode: int | None = None
    msg_id: int | None = None


def portions(engine: Engine, broadcast_id: str, name: str) -> Iterator[Portion]:
    """Yield the OpenIDs of the set *name*, in the order of the batches.

    Raises UnknownIdError, and InputError for a name that is no set of followers, before the first.
    """
    if name not in SETS:
        raise InputError("error.recipients.set", name=name, sets=", ".join(NAMES))
    with read(engine) as connection:
        members = _members(connection, broadcast_id, name)
    return _read(engine, members)


def _read(engine: Engine, members: Sequence[_Member]) -> Iterator[Portion]:
    for member in members:
        with read(engine) as connection:
            packed = connection.scalars(select(Pack.openids).where(Pack.id == member.pack_id)).one()
        yield Portion(
            openids=openid.unpack(packed), n=member.n, state=member.state, reason=member.reason,
            errcode=member.errcode, msg_id=member.msg_id,
        )  # fmt: skip


def _members(connection: Connection, broadcast_id: str, name: str) -> list[_Member]:
    """Return the batches of a set, and packs that never became a batch, in their order."""
    row = _row(connection, broadcast_id)
    states = [state for state, told in reports.SET_OF.items() if told == name]
    rows = connection.execute(
        select(
            Batch.n, Batch.pack_id, Batch.state, Batch.reason, Batch.errcode, Batch.msg_id
        ).where(Batch.broadcast_id == broadcast_id, Batch.state.in_(states))
    )
    batches = [_Member(**dict(found)) for found in rows.mappings()]
    uncut = _uncut(connection, broadcast_id, row) if name == _set_of_uncut(row) else []
    return sorted([*batches, *uncut], key=lambda member: member.n)


def _row(connection: Connection, broadcast_id: str) -> AnyRow:
    row = connection.execute(
        select(BroadcastRow.cancelled_at, BroadcastRow.reason).where(
            BroadcastRow.id == broadcast_id, BroadcastRow.state != BroadcastState.UPLOADING
        )
    ).first()
    if row is None:
        raise reports.unknown(connection, broadcast_id)
    return row


def _set_of_uncut(row: AnyRow) -> str:
    """Return in which set those are whose batch was never made."""
    return "waiting" if row.cancelled_at is None else "cancelled"


def _uncut(connection: Connection, broadcast_id: str, row: AnyRow) -> list[_Member]:
    cancelled = row.cancelled_at is not None
    state = BatchState.CANCELLED if cancelled else BatchState.PLANNED
    reason = Reason.BY_HAND if cancelled else None
    own = exists().where(Batch.broadcast_id == broadcast_id, Batch.pack_id == Pack.id)
    packs = select(Pack.n, Pack.id).where(Pack.broadcast_id == broadcast_id, ~own)
    return [
        _Member(n=n, pack_id=pack_id, state=state, reason=reason)
        for n, pack_id in connection.execute(packs)
    ]


def skipped(engine: Engine, broadcast_id: str) -> list[SkippedLines]:
    """Return the lines that were left out, by reason. Raises UnknownIdError."""
    with read(engine) as connection:
        _row(connection, broadcast_id)
        rows = connection.execute(
            select(Skipped.reason, Skipped.count.label("lines"), Skipped.sample)
            .where(Skipped.broadcast_id == broadcast_id)
            .order_by(Skipped.reason)
        ).all()
    return [
        SkippedLines(
            reason=row.reason, count=row.lines,
            lines=[(line, text) for line, text in json.loads(row.sample)],
        )
        for row in rows
    ]  # fmt: skip
