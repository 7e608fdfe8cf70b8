"""What a retry would do with each batch of a broadcast that is left over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Engine, select

from broadcast.call.outcomes import Outcome
from broadcast.call.retry import LEFT_OVER, RetryVerdict, place
from broadcast.frozen import frozen
from broadcast.reasons import Reason
from broadcast.reports import RetryGroup, total
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import possibly_sent, suppressions
from models.ledger.rows import columns, every
from models.ledger.transaction import read


def look(engine: Engine, broadcast_id: str) -> list[RetryGroup]:
    """Return what a retry would find, were it not refused because the broadcast is cancelled."""
    with read(engine) as connection:
        left = of(connection, broadcast_id)
    return grouped(heeding(left, suppressed(engine, broadcast_id, left)))


@frozen
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


def suppressed(engine: Engine, broadcast_id: str, left: Sequence[Left]) -> Mapping[int, int]:
    """Return, by its id, how many are suppressed by now in each batch that could be called again.

    A look at many lists, which no transaction is to wait for.
    """
    again = [one.row.id for one in left if one.place is RetryVerdict.AGAIN]
    return suppressed_in(engine, broadcast_id, again)


def suppressed_in(
    engine: Engine, broadcast_id: str, batch_ids: Collection[int]
) -> Mapping[int, int]:
    """Return the same of these batches."""
    if not batch_ids:
        return {}
    whose = select(BroadcastRow.account).where(BroadcastRow.id == broadcast_id)
    with read(engine) as connection:
        account = connection.execute(whose).scalar_one()
    if not suppressions.any_of(engine, account):
        return {}
    # numpy, which only a process that looks at lists should load.
    from models.ledger.reading import suppressed_in as lists  # noqa: PLC0415

    return lists.suppressed_in(engine, broadcast_id, batch_ids)


def heeding(left: Sequence[Left], suppressed: Mapping[int, int]) -> list[Left]:
    """Return the batches with those left alone in which somebody is suppressed by now."""
    return [
        replace(one, place=RetryVerdict.SUPPRESSED)
        if one.place is RetryVerdict.AGAIN and one.row.id in suppressed
        else one
        for one in left
    ]


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
