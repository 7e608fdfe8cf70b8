"""What a retry would do with each batch of a broadcast that is left over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, select

from broadcast.call.outcomes import Outcome
from broadcast.call.retry import LEFT_OVER, RetryVerdict, place
from broadcast.reasons import Reason
from broadcast.reports import RetryGroup, total
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.ledger.reading import possibly_sent
from models.ledger.rows import columns, every
from models.ledger.transaction import read


def look(engine: Engine, broadcast_id: str) -> list[RetryGroup]:
    """Return what a retry would find, were it not refused because the broadcast is cancelled."""
    with read(engine) as connection:
        return grouped(of(connection, broadcast_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBatch:
    """A batch that is left over."""

    id: int
    n: int
    size: int | None
    state: BatchState
    reason: Reason | None
    errcode: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Left:
    """A batch that is left over, and what a retry does with it."""

    row: LeftBatch
    place: RetryVerdict


def of(connection: Connection, broadcast_id: str) -> list[Left]:
    """Return the batches that are neither accepted nor split nor cancelled, each with its place."""
    rows = every(
        connection,
        select(*columns(LeftBatch, Batch))
        .where(Batch.broadcast_id == broadcast_id, Batch.state.in_(LEFT_OVER))
        .order_by(Batch.n),
        LeftBatch,
    )
    sent = _refused_with(connection, broadcast_id, possibly_sent.MAYBE, possibly_sent.UNDENIED)
    took = _refused_with(connection, broadcast_id, AttemptRow.outcome == Outcome.ACCEPTED)
    return [
        Left(
            row,
            place(
                row.state, row.reason, errcode=row.errcode, called=bool(row.attempts),
                maybe_sent=row.id in sent, was_taken=row.id in took,
            ),
        )
        for row in rows
    ]  # fmt: skip


def _refused_with(
    connection: Connection, broadcast_id: str, *which: ColumnElement[bool]
) -> set[int]:
    """Return the refused batches that have such a call."""
    return set(
        connection.scalars(
            select(AttemptRow.batch_id)
            .join(Batch, Batch.id == AttemptRow.batch_id)
            .where(Batch.broadcast_id == broadcast_id, Batch.state == BatchState.REFUSED)
            .where(*which)
        )
    )


_Cause = tuple[RetryVerdict, Reason | None, int | None]


def grouped(batches: Sequence[Left]) -> list[RetryGroup]:
    """Put batches together of which the same is to be said."""
    groups: dict[_Cause, list[LeftBatch]] = defaultdict(list)
    for batch in batches:
        told = batch.place not in {RetryVerdict.NEVER_CALLED, RetryVerdict.WAITS}
        cause = (batch.row.reason, batch.row.errcode) if told else (None, None)
        groups[(batch.place, *cause)].append(batch.row)
    return [
        RetryGroup(
            verdict=place, numbers=[row.n for row in rows],
            followers=total(row.size for row in rows),
            reason=reason, errcode=errcode,
        )
        for (place, reason, errcode), rows in groups.items()
    ]  # fmt: skip
