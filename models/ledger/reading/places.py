"""Places: what a retry does with each batch that is left over, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, select

from broadcast.attempts import Reason
from broadcast.outcomes import MAY_PASS, Outcome
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.ledger.reading import taken
from models.ledger.transaction import AnyRow, read


class Place(StrEnum):
    """What a retry does with a batch, or why it leaves it alone; each has its text."""

    AGAIN = "again"  #: refused for a reason that may pass, or by a person's word: called again
    NEVER_CALLED = "never_called"  #: waits without ever having been called
    WAITS = "waits"  #: refused for a while, or asked again by itself
    IN_DOUBT = "in_doubt"  #: only a person can settle it
    MAYBE_SENT = "maybe_sent"  #: refused, but a call of it may have been taken
    TAKEN = "taken"  #: a person said "not sent", but WeChat answered a call of it with 0
    REVIEWED = "reviewed"  #: WeChat took it, and its review refused it
    FOR_GOOD = "for_good"  #: refused for a reason that stays while content and OpenIDs do


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Batches of which the same is to be said."""

    place: Place
    numbers: Sequence[int]
    followers: int
    reason: Reason | None
    errcode: int | None


def look(engine: Engine, broadcast_id: str) -> list[Placed]:
    """Return what a retry would find; nothing for a cancelled broadcast that has no doubts."""
    with read(engine) as connection:
        return grouped(of(connection, broadcast_id))


@dataclass(frozen=True, slots=True)
class Left:
    """A batch that is left over, and what a retry does with it."""

    row: AnyRow
    place: Place


def of(connection: Connection, broadcast_id: str) -> list[Left]:
    """Return the batches that are neither accepted nor split nor cancelled, each with its place."""
    rows = connection.execute(
        select(
            Batch.id, Batch.broadcast_id, Batch.n, Batch.size, Batch.state, Batch.reason,
            Batch.errcode, Batch.attempts,
        )
        .where(Batch.broadcast_id == broadcast_id, Batch.state.in_(_LEFT_OVER))
        .order_by(Batch.n)
    ).all()  # fmt: skip
    sent = _refused_with(connection, broadcast_id, taken.MAYBE, taken.UNDENIED)
    took = _refused_with(connection, broadcast_id, AttemptRow.outcome == Outcome.ACCEPTED)
    return [
        Left(row, _place(row, maybe_sent=row.id in sent, was_taken=row.id in took)) for row in rows
    ]


_LEFT_OVER = frozenset(
    {BatchState.PLANNED, BatchState.CALLING, BatchState.UNKNOWN, BatchState.IN_DOUBT,
     BatchState.REFUSED}
)  # fmt: skip


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


def _place(batch: AnyRow, *, maybe_sent: bool, was_taken: bool) -> Place:
    match batch.state:
        case BatchState.IN_DOUBT:
            return Place.IN_DOUBT
        case BatchState.PLANNED if not batch.attempts:
            return Place.NEVER_CALLED
        case BatchState.REFUSED:
            return _refused(batch, maybe_sent=maybe_sent, was_taken=was_taken)
    return Place.WAITS


def _refused(batch: AnyRow, *, maybe_sent: bool, was_taken: bool) -> Place:
    if batch.reason is Reason.REVIEW_REFUSED:
        return Place.REVIEWED
    if was_taken:
        return Place.TAKEN
    if maybe_sent:
        return Place.MAYBE_SENT
    passes = batch.reason is Reason.SAID_NOT_SENT or batch.errcode in MAY_PASS
    return Place.AGAIN if passes else Place.FOR_GOOD


def grouped(batches: Sequence[Left]) -> list[Placed]:
    """Put batches together of which the same is to be said."""
    groups: dict[tuple[Place, Reason | None, int | None], list[AnyRow]] = defaultdict(list)
    for batch in batches:
        told = batch.place not in {Place.NEVER_CALLED, Place.WAITS}
        cause = (batch.row.reason, batch.row.errcode) if told else (None, None)
        groups[(batch.place, *cause)].append(batch.row)
    return [
        Placed(
            place=place, numbers=[row.n for row in rows], followers=sum(row.size for row in rows),
            reason=reason, errcode=errcode,
        )
        for (place, reason, errcode), rows in groups.items()
    ]  # fmt: skip
