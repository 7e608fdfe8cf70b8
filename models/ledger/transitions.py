"""Moves of states: whoever moves a batch or a broadcast does it here, by the table of legal moves.

Three states are written elsewhere. New rows begin with theirs, in submits, plans and splits; and a
claim writes *calling* itself, because one statement must find the batch as it was read and take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, func, select, true, update

from broadcast.call.attempts import Reason
from broadcast.events import EventKind
from broadcast.states import (
    BATCH_MOVES,
    BATCH_OPEN,
    BROADCAST_MOVES,
    BROADCAST_RUNNING,
    BatchState,
    BroadcastState,
    move,
    resting_state,
)
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.reading import possibly_sent
from models.ledger.transaction import WORKER, AnyRow, note


class StandingBatch(Protocol):
    """What a move needs to know of a batch as it stands."""

    @property
    def id(self) -> int:
        """Its row."""

    @property
    def broadcast_id(self) -> str:
        """Its broadcast."""

    @property
    def state(self) -> BatchState:
        """Where it stands."""


#: Its columns are those of the parameters that it is run with.
_MOVE = update(Batch).where(Batch.id == bindparam("b_id"), Batch.state == bindparam("b_state"))


def move_batch(
    connection: Connection,
    batch: StandingBatch | Any,  # noqa: ANN401
    state: BatchState,
    *,
    who: str = WORKER,
    why: str | None = None,
    **values: Any,  # noqa: ANN401
) -> bool:
    """Move a batch that still stands where *batch* says; return whether it did.

    *values* are plain values for its columns; *why* are a person's words. Raises
    :class:`~broadcast.errors.IllegalMoveError` where the table does not lead.
    """
    move(BATCH_MOVES, batch.state, state)
    moved = connection.execute(
        _MOVE, {"b_id": batch.id, "b_state": batch.state, "state": state, **values}
    )
    if moved.rowcount == 1 and state != batch.state:
        note(
            connection, EventKind.BATCH_MOVE, who=who, why=why, broadcast_id=batch.broadcast_id,
            batch_id=batch.id, old=batch.state, new=state, reason=values.get("reason"),
        )  # fmt: skip
    return moved.rowcount == 1


# Built once: building a statement costs as much as running it, and a claim runs this one.
_BROADCAST_HELD = (
    select(BroadcastRow.state).where(BroadcastRow.id == bindparam("broadcast_id")).with_for_update()
)


def hold(connection: Connection, broadcast_id: str) -> BroadcastState:
    """Hold a broadcast against every other move until the commit; return where it stands."""
    return connection.execute(_BROADCAST_HELD, {"broadcast_id": broadcast_id}).scalar_one()


def move_broadcast(
    connection: Connection,
    broadcast_id: str,
    state: BroadcastState,
    *,
    who: str = WORKER,
    why: str | None = None,
    **values: Any,  # noqa: ANN401
) -> BroadcastState:
    """Move a broadcast from where it stands, under its row's lock; return where it stood.

    *values* are values for its columns; *why* are a person's words.
    """
    old = hold(connection, broadcast_id)
    move(BROADCAST_MOVES, old, state)
    connection.execute(
        update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(state=state, **values)
    )
    if old != state:
        note(
            connection, EventKind.BROADCAST_MOVE, who=who, why=why, broadcast_id=broadcast_id,
            old=old, new=state, reason=values.get("reason"),
        )  # fmt: skip
    return old


def counts(connection: Connection, broadcast_id: str) -> dict[BatchState, int]:
    """Count the batches of a broadcast in each state."""
    rows = connection.execute(
        select(Batch.state, func.count())
        .where(Batch.broadcast_id == broadcast_id)
        .group_by(Batch.state)
    )
    return {state: count for state, count in rows}  # noqa: C416 - rows are not pairs to mypy


_OPEN = (
    select(Batch.id)
    .where(Batch.broadcast_id == bindparam("broadcast_id"), Batch.state.in_(BATCH_OPEN))
    .order_by(Batch.n.desc())  # the last are open the longest
    .limit(1)
)


def rest(connection: Connection, broadcast_id: str) -> None:
    """Settle the broadcast if every batch is at rest, or settle it anew after a late fact."""
    if connection.scalar(_OPEN, {"broadcast_id": broadcast_id}) is not None:
        return
    state = resting_state(counts(connection, broadcast_id))
    if state is None:
        return
    stands = connection.execute(
        select(BroadcastRow.state, BroadcastRow.finished_at)
        .where(BroadcastRow.id == broadcast_id)
        .with_for_update()
    ).one()
    if stands.state is state and stands.finished_at is not None:
        # It finished when it came to rest, not when a poll said so once more.
        return
    values: dict[str, Any] = {"finished_at": now(connection)}
    if state is BroadcastState.COMPLETED:
        values |= {"reason": None, "reason_errcode": None, "reason_errmsg": None}
    move_broadcast(connection, broadcast_id, state, **values)


def pause(
    connection: Connection,
    broadcast_id: str,
    *,
    reason: Reason,
    errcode: int | None,
    errmsg: str | None,
) -> bool:
    """Pause a running broadcast because of what concerns all its batches; return whether it ran."""
    if hold(connection, broadcast_id) not in BROADCAST_RUNNING:
        return False
    move_broadcast(
        connection, broadcast_id, BroadcastState.PAUSED,
        reason=reason, reason_errcode=errcode, reason_errmsg=errmsg,
    )  # fmt: skip
    return True


def after_cancel(connection: Connection, batch_id: int) -> None:
    """Carry a cancel through for a batch that was in flight when it was said, and for its halves.

    Without an unknown attempt it was never sent: cancelled, or refused by a person's word. With one
    nobody knows: in doubt.
    """
    batches = connection.execute(
        select(Batch.id, Batch.broadcast_id, Batch.state)
        .join(BroadcastRow, Batch.broadcast_id == BroadcastRow.id)
        .where(BroadcastRow.cancelled_at.is_not(None))
        .where((Batch.id == batch_id) | (Batch.parent_id == batch_id))
    ).all()
    call_off(connection, batches)


def call_off(
    connection: Connection, batches: Sequence[AnyRow], *, who: str = WORKER, why: str | None = None
) -> None:
    """Move those of *batches*, of one broadcast, that would be called again to where they end.

    "Cancelled" says that nothing was taken, and that WeChat's replies show it. Where only a
    person's word does, it stays his word: refused.
    """
    by_word = _denied(connection, batches[0].broadcast_id) if batches else set()
    for batch in batches:
        values: dict[str, Any] = {"not_before": None}
        if batch.state is BatchState.UNKNOWN:
            state, reason = BatchState.IN_DOUBT, Reason.STOPPED_WHILE_UNKNOWN
        elif batch.state is not BatchState.PLANNED:
            continue
        elif batch.id in by_word:
            state, reason = BatchState.REFUSED, Reason.SAID_NOT_SENT
            values |= {"errcode": None, "errmsg": None}
        else:
            state, reason = BatchState.CANCELLED, Reason.BY_HAND
        move_batch(connection, batch, state, who=who, why=why, reason=reason, **values)


def _denied(connection: Connection, broadcast_id: str) -> set[int]:
    """Return the batches with a call that only a person's word keeps from counting as taken."""
    return set(
        connection.scalars(
            select(AttemptRow.batch_id)
            .join(Batch, Batch.id == AttemptRow.batch_id)
            .where(
                Batch.broadcast_id == broadcast_id,
                possibly_sent.MAYBE,
                AttemptRow.denied.is_(true()),
            )
        )
    )
