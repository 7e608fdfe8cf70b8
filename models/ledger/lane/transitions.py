"""Transitions: a batch's state changes and a broadcast ends here, by the table of legal moves.

Elsewhere a new row begins with its state (plans, halves, a list of which one person is left), and a
claim writes *calling*, because one statement must find the batch as it was read and take it. Who
comes here has locked the lane.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, select, true, update

from broadcast.errors import IllegalMoveError
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.calls.decide import Decision, Policy, Verdict, decide
from broadcast.rules.finish_events import Counts, JobEnd, job_end_of, review
from broadcast.rules.gates.gate import RESUME_OPENS
from broadcast.rules.states import (
    BATCH_AT_REST,
    BATCH_MOVES,
    SENT,
    STOPPED_JOB,
    BatchState,
    BroadcastState,
    Phase,
    Reason,
    move,
    resting_state,
)
from models.accounts import Lane
from models.base import change, row_of
from models.batch_tables import DENIED, IS_A_CALL, AttemptRow, Batch
from models.box_tables import Finish
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.boxes import webhooks
from models.ledger.gates import gate_changes, quotas
from models.ledger.lane import call_history
from models.ledger.rows import closed_gates, lane_rows, locked_rows
from models.ledger.rows.transaction import WORKER, LockedBatch, first, note, selected

#: Its columns are those of the parameters that it is run with.
_MOVE = update(Batch).filter_by(id=bindparam("b_id"), state=bindparam("b_state"))


def move_batch(
    connection: Connection,
    batch: LockedBatch,
    state: BatchState,
    *,
    who: str = WORKER,
    why: str | None = None,
    **values: Any,
) -> bool:
    """Move a batch that still stands where *batch* says; return whether it did.

    *values* are plain values for its columns; *why* are a person's words. Raises
    :class:`~broadcast.errors.IllegalMoveError` where the table does not lead.
    """
    move(BATCH_MOVES, batch.state, state)
    moved = connection.execute(
        _MOVE,
        {
            "b_id": batch.id,
            "b_state": batch.state,
            "state": state,
            "moved_counter": batch.gate_counter,
            **values,
        },
    )
    if moved.rowcount == 1 and batch.state is BatchState.UNKNOWN and state != batch.state:
        lane_rows.doubt_left(
            connection, batch.account, min(batch.now, batch.not_before or batch.now)
        )
    if moved.rowcount == 1 and state != batch.state:
        note(
            connection,
            EventKind.BATCH_MOVE,
            who=who,
            why=why,
            broadcast_id=batch.broadcast_id,
            batch_id=batch.id,
            old=batch.state,
            new=state,
            reason=values.get("reason"),
        )
    return moved.rowcount == 1


def counts(connection: Connection, broadcast_id: str) -> dict[BatchState, int]:
    """Count the batches of a broadcast in each state, but those of which nobody is left."""
    rows = connection.execute(
        select(Batch.state, func.count())
        .where(Batch.broadcast_id == broadcast_id, IS_A_CALL)
        .group_by(Batch.state)
    )
    return {state: count for state, count in rows}  # noqa: C416 - rows are not pairs to mypy


_OPEN = (
    select(Batch.id)
    .where(Batch.broadcast_id == bindparam("broadcast_id"), Batch.state.not_in(BATCH_AT_REST))
    .order_by(Batch.n.desc())  # the last are open the longest
    .limit(1)
)
_TOUCH = (
    update(BroadcastRow).filter_by(id=bindparam("b_id")).values(version=BroadcastRow.version + 1)
)


def raise_version(connection: Connection, broadcast_id: str) -> None:
    """Raise the version of a broadcast of which something has just changed."""
    connection.execute(_TOUCH, {"b_id": broadcast_id})


def end_if_at_rest(connection: Connection, broadcast_id: str, *, stays_open: bool = False) -> None:
    """End the broadcast if every batch is at rest, or end it again after a late fact.

    Raises its version in any case: something of it has just changed. *stays_open*: a batch of it
    is known not to be at rest. Its webhook is stored in this transaction.
    """
    raise_version(connection, broadcast_id)
    if stays_open or connection.scalar(_OPEN, {"broadcast_id": broadcast_id}) is not None:
        return
    result = resting_state(counts(connection, broadcast_id))
    if result is not None:
        end(connection, broadcast_id, result)


def end(connection: Connection, broadcast_id: str, result: BroadcastState) -> None:
    """Write how a broadcast ended, unless it ended so before; free the calls that it reserved."""
    stands = row_of(
        connection,
        broadcast_id,
        BroadcastRow.account,
        BroadcastRow.phase,
        BroadcastRow.result,
        BroadcastRow.notify_url,
    )
    anew = stands.phase is not Phase.ENDED
    # It finished when it came to rest, not when a poll repeated it.
    if anew or stands.result is not result:
        moment = now(connection)
        change(
            connection,
            BroadcastRow,
            broadcast_id,
            phase=Phase.ENDED,
            result=result,
            finished_at=moment,
            moved_at=moment,
            due_at=None,
        )
        quotas.free(connection, broadcast_id)
        if anew:
            _open_what_a_resume_opens(connection, stands.account, broadcast_id)
        note(
            connection,
            EventKind.ENDED,
            who=WORKER,
            broadcast_id=broadcast_id,
            old=stands.result,
            new=result,
        )
    if stands.notify_url is not None:
        # Also of a late fact that leaves the result as it is, and moves followers to another set.
        webhooks.notify(connection, broadcast_id, anew=anew)


def _open_what_a_resume_opens(connection: Connection, account: str, broadcast_id: str) -> None:
    """Open what a resume opens: an ended broadcast has nothing left that could be called."""
    mine = [
        gate
        for gate in closed_gates.of_broadcasts(connection, [broadcast_id])
        if gate.kind in RESUME_OPENS
    ]
    gate_changes.open_(connection, account, mine, who=WORKER)


def after_cancel(connection: Connection, batch: LockedBatch) -> None:
    """Carry a cancel through for a batch that was in flight when it was said, and for its halves.

    Without an unknown attempt it was never sent: cancelled, or refused by an operator's verdict.
    With one nobody knows: in doubt.
    """
    if batch.cancelled:
        cancel_remaining(connection, batch.broadcast_id)


def cancel_remaining(
    connection: Connection, broadcast_id: str, *, who: str = WORKER, why: str | None = None
) -> None:
    """Cancel every batch of a cancelled broadcast that would be called again.

    "Cancelled" says that nothing was taken, and that WeChat's replies show it. Where only a
    operator's verdict does, it stays refused. One statement and one line a kind of end: a
    cancel of a thousand batches must not hold up every other writer.
    """
    counter = connection.execute(
        select(Lane.gate_counter)
        .join(BroadcastRow, BroadcastRow.account == Lane.account)
        .filter_by(id=broadcast_id)
    ).scalar_one()
    denied = exists().where(AttemptRow.batch_id == Batch.id, call_history.MAYBE, DENIED)
    for old, new, reason, which in (
        (BatchState.UNKNOWN, BatchState.IN_DOUBT, Reason.STOPPED_WHILE_UNKNOWN, true()),
        (BatchState.PLANNED, BatchState.REFUSED, Reason.SAID_NOT_SENT, denied),
        (BatchState.PLANNED, BatchState.CANCELLED, Reason.BY_HAND, true()),
    ):
        move(BATCH_MOVES, old, new)
        said = {"errcode": None, "errmsg": None} if reason is Reason.SAID_NOT_SENT else {}
        moved = connection.execute(
            update(Batch)
            .filter_by(broadcast_id=broadcast_id, state=old)
            .where(which)
            .values(state=new, reason=reason, not_before=None, moved_counter=counter, **said)
            .execution_options(synchronize_session=False)
        )
        if moved.rowcount:
            note(
                connection,
                EventKind.BATCH_MOVE,
                who=who,
                why=why,
                broadcast_id=broadcast_id,
                old=old,
                new=new,
                reason=reason,
                count=moved.rowcount,
            )


log = logging.getLogger(__name__)


def mark_in_doubt_after_bug(
    connection: Connection,
    batch: LockedBatch,
    error: IllegalMoveError,
    *,
    said: str,
    msg_id: int | None,
    attempt_id: int | None = None,
) -> Decision:
    """Put a batch in doubt after an illegal move, and record it; *said* is stored."""
    log.error(
        "broadcast %s: what WeChat said (%s, msg_id %s) is stored, but its batch is in doubt (%s); "
        "resolve it: broadcast status %s",
        batch.broadcast_id,
        said,
        msg_id,
        error,
        batch.broadcast_id,
    )
    note(
        connection,
        EventKind.ILLEGAL_MOVE,
        who=WORKER,
        broadcast_id=batch.broadcast_id,
        batch_id=batch.id,
        error=str(error),
        said=said,
        msg_id=msg_id,
        attempt_id=attempt_id,
    )
    if BatchState.IN_DOUBT in BATCH_MOVES.get(batch.state, ()):
        move_batch(
            connection,
            batch,
            BatchState.IN_DOUBT,
            reason=Reason.ILLEGAL_MOVE,
            not_before=None,
            poll_at=None,
        )
    try:
        with connection.begin_nested():
            end_if_at_rest(connection, batch.broadcast_id)
    except IllegalMoveError as again:
        log.error(  # noqa: TRY400 - the error says all
            "broadcast %s: its state stays as it is (%s); check it: broadcast audit %s",
            batch.broadcast_id,
            again,
            batch.broadcast_id,
        )
    # What waited behind this batch may be called now.
    lane_rows.refresh_due(connection, batch.account)
    return Decision(verdict=Verdict.DOUBT, reason=Reason.ILLEGAL_MOVE)


@frozen
class _ReportedEnd:
    """End of a job by its finish event."""

    status: str
    sent: int | None


# Built once: each acceptance runs it.
_EVENT = (
    selected(_ReportedEnd, Finish)
    .join(Batch, (Batch.account == Finish.account) & (Batch.msg_id == Finish.msg_id))
    .where(Batch.id == bindparam("batch_id"))
)


def ending_of(connection: Connection, batch_id: int) -> JobEnd | None:
    """Return the end by the finish event of a batch's job; None while there is no such event."""
    event = _event(connection, batch_id)
    return None if event is None else job_end_of(event.status, Counts(sent=event.sent))


def _event(connection: Connection, batch_id: int) -> _ReportedEnd | None:
    return first(connection, _EVENT, _ReportedEnd, {"batch_id": batch_id})


def apply_finish_event(connection: Connection, batch_id: int) -> bool:
    """Move a batch to the end that the stored finish event of its job reports, if any.

    Return whether it moved. ``transitions.end_if_at_rest`` is the caller's. Twice is as once.
    """
    ended = ending_of(connection, batch_id)
    if ended in {None, JobEnd.UNCLEAR}:
        return False
    batch = locked_rows.locked_batch(connection, batch_id)
    if ended is JobEnd.REFUSED and batch.state in SENT:
        mark_refused_by_job(connection, batch)
    elif ended is JobEnd.REFUSED and _says_more(connection, batch):
        # It names what mass/get did not, and the batch stays where it is.
        mark_refused_by_job(connection, batch)
    elif ended is JobEnd.SENT and _was_stopped(batch):
        _revoke_refusal(connection, batch)
    elif ended is JobEnd.SENT and batch.state is BatchState.ACCEPTED:
        finish_batch(connection, batch)
    else:
        return False
    return True


def finish_batch(connection: Connection, batch: LockedBatch, **values: Any) -> None:
    """Close an accepted batch: its job is done, and nothing is asked about it any more."""
    move_batch(connection, batch, BatchState.FINISHED, poll_at=None, **values)


def mark_refused_by_job(connection: Connection, batch: LockedBatch, **values: Any) -> None:
    """Move an accepted batch to refused: WeChat's review ended its job, or the job failed."""
    move_batch(
        connection,
        batch,
        BatchState.REFUSED,
        poll_at=None,
        reason=_why(connection, batch.id),
        **values,
    )


def _why(connection: Connection, batch_id: int) -> Reason:
    """Return why WeChat stopped a job: it speaks of its review in an event alone."""
    event = _event(connection, batch_id)
    reviewed = event is not None and review(event.status) is not None
    return Reason.REVIEW_REFUSED if reviewed else Reason.JOB_FAILED


def _says_more(connection: Connection, batch: LockedBatch) -> bool:
    return _was_stopped(batch) and batch.reason is not _why(connection, batch.id)


def _was_stopped(batch: LockedBatch) -> bool:
    return batch.state is BatchState.REFUSED and batch.reason in STOPPED_JOB


def _revoke_refusal(connection: Connection, batch: LockedBatch) -> None:
    """Accept a batch again that mass/get called failed: its event says that people got it."""
    history = call_history.attempts_of(connection, batch.id)
    decision = decide(history, now=batch.now, policy=Policy())
    # What only an operator's verdict had accepted rests on that verdict again.
    reason = None if decision.verdict is Verdict.ACCEPT else Reason.SAID_SENT
    move_batch(connection, batch, BatchState.ACCEPTED, reason=reason)
    finish_batch(connection, locked_rows.locked_batch(connection, batch.id))
