"""Retrying by hand: what WeChat definitely refused, or was never asked for, is called again.

A batch is put back only if every call of it was a definite refusal, or a person said that it was
not sent; it keeps its clientmsgid. What may have been sent is never touched here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, select, update

from broadcast.attempts import Reason
from broadcast.errors import InputError
from broadcast.outcomes import MAY_PASS, Outcome
from broadcast.states import BatchState, BroadcastState
from broadcast.waits import Waits
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.ledger import controls, held, moves, taken
from models.ledger.transaction import AnyRow, read

S = BroadcastState
_AS_WECHAT = Waits()


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


class Goes(StrEnum):
    """Whether the broadcast itself goes on after the retry; each has its text."""

    ON = "on"  #: it had stood still, or had ended, and goes on now
    ALREADY = "already"  #: it was going on all the while
    PAUSED = "paused"  #: a person paused it, and only a resume lifts that
    REFUSED = "refused"  #: its content is refused: the rest would be refused as well
    NOTHING = "nothing"  #: nothing of it waits for a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What a retry did and what it left, and why."""

    placed: Sequence[Placed]
    goes: Goes
    #: Of what is called again: batches whose key WeChat no longer knows, by number, each with how
    #: old its last call is that may have been taken. A wrong word sends them twice.
    forgotten: Mapping[int, timedelta]

    def of(self, place: Place) -> list[Placed]:
        """Return the groups of one place."""
        return [group for group in self.placed if group.place is place]


def retry(
    engine: Engine,
    broadcast_id: str,
    *,
    who: str,
    why: str | None = None,
    waits: Waits = _AS_WECHAT,
) -> Retried:
    """Put back what may be called again, with the clientmsgid that it has; idempotent.

    Raises UnknownIdError, and InputError for a cancelled broadcast: a cancel is final.
    """

    def work(connection: Connection, row: AnyRow) -> Retried:
        if row.cancelled_at is not None:
            raise InputError("error.retry.cancelled", id=row.id)
        batches = _batches(connection, row.id)
        for batch in batches:
            if batch.place is Place.AGAIN:
                moves.move_batch(
                    connection, batch.row, BatchState.PLANNED, who=who, why=why, reason=None,
                    errcode=None, errmsg=None, not_before=None,
                )  # fmt: skip
        goes = _go_on(connection, row, batches, who=who, why=why)
        again = Batch.id.in_([batch.row.id for batch in batches if batch.place is Place.AGAIN])
        return Retried(
            placed=_grouped(batches), goes=goes,
            forgotten=taken.forgotten(connection, row.id, again, waits=waits),
        )  # fmt: skip

    return held.on(engine, broadcast_id, work)


def look(engine: Engine, broadcast_id: str) -> list[Placed]:
    """Return what a retry would find; nothing for a cancelled broadcast that has no doubts."""
    with read(engine) as connection:
        return _grouped(_batches(connection, broadcast_id))


@dataclass(frozen=True, slots=True)
class _Batch:
    row: AnyRow
    place: Place


def _batches(connection: Connection, broadcast_id: str) -> list[_Batch]:
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
        _Batch(row, _place(row, maybe_sent=row.id in sent, was_taken=row.id in took))
        for row in rows
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


def _go_on(
    connection: Connection, row: AnyRow, batches: Sequence[_Batch], *, who: str, why: str | None
) -> Goes:
    places = {batch.place for batch in batches}
    if row.state not in _STANDS:
        # Its lane may have been driven to its end already; the sweep looks at once.
        _ring(connection, row.account)
        return Goes.ALREADY
    uncut = row.state in {S.PAUSED, S.HELD} and row.started_at is None
    if not uncut and not places & {Place.AGAIN, Place.NEVER_CALLED, Place.WAITS}:
        return Goes.NOTHING
    if row.state is S.PAUSED and row.reason is Reason.BY_HAND:
        return Goes.PAUSED
    if _content_stays_refused(row):
        return Goes.REFUSED
    controls.go_on(connection, row, who=who, why=why)
    return Goes.ON


_STANDS = frozenset({S.PAUSED, S.HELD, S.COMPLETED, S.PARTIAL, S.FAILED})


def _content_stays_refused(row: AnyRow) -> bool:
    refused = row.state is S.PAUSED and row.reason is Reason.CONTENT_REFUSED
    return refused and row.reason_errcode not in MAY_PASS


def _ring(connection: Connection, account: str) -> None:
    connection.execute(update(Lane).where(Lane.account == account).values(rung_at=None))


def _grouped(batches: Sequence[_Batch]) -> list[Placed]:
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
