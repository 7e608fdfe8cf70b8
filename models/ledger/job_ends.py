"""Ends of jobs: a batch meets the finish event of its msg_id, whichever of the two came first.

The event outweighs what mass/get said, before it or after it: it has WeChat's counts, and names
what a review refused. Only the msg_id brings event and batch together. Everybody who comes here
holds the lane.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from broadcast.call.decide import Policy, Verdict, decide
from broadcast.finish import Counts, Ending, ending, review
from broadcast.frozen import frozen
from broadcast.reasons import STOPPED_JOB, Reason
from broadcast.states import BatchState
from models.batch import Batch
from models.finish import Finish
from models.ledger import transitions
from models.ledger.reading import call_history, held_rows
from models.ledger.rows import HeldBatch, first

_ACCEPTED = frozenset({BatchState.ACCEPTED, BatchState.FINISHED})


@frozen
class _Told:
    """What the event of a job said of its end."""

    status: str
    sent: int | None


# Built once: each acceptance runs it.
_EVENT = (
    select(Finish.status, Finish.sent)
    .join(Batch, (Batch.account == Finish.account) & (Batch.msg_id == Finish.msg_id))
    .where(Batch.id == bindparam("batch_id"))
)


def told(connection: Connection, batch_id: int) -> Ending | None:
    """Return what the finish event of a batch's job means; None while there is no such event."""
    event = _event(connection, batch_id)
    return None if event is None else ending(event.status, Counts(sent=event.sent))


def _event(connection: Connection, batch_id: int) -> _Told | None:
    return first(connection, _EVENT, _Told, {"batch_id": batch_id})


def meet(connection: Connection, batch_id: int) -> bool:
    """Move a batch to where the finish event of its job, if it is there, says that it ended.

    Return whether it moved. ``transitions.end_if_at_rest`` is the caller's. Twice is as once.
    """
    ended = told(connection, batch_id)
    if ended in {None, Ending.UNCLEAR}:
        return False
    batch = held_rows.batch(connection, batch_id)
    if ended is Ending.REFUSED and batch.state in _ACCEPTED:
        refuse(connection, batch)
    elif ended is Ending.REFUSED and _says_more(connection, batch):
        # It names what mass/get did not, and the batch stays where it is.
        refuse(connection, batch)
    elif ended is Ending.SENT and _was_stopped(batch):
        _take_back_refusal(connection, batch)
    elif ended is Ending.SENT and batch.state is BatchState.ACCEPTED:
        finish(connection, batch)
    else:
        return False
    return True


def finish(connection: Connection, batch: HeldBatch, **values: Any) -> None:  # noqa: ANN401
    """Close an accepted batch: its job is done, and nothing is asked about it any more."""
    transitions.move_batch(connection, batch, BatchState.FINISHED, poll_at=None, **values)


def refuse(connection: Connection, batch: HeldBatch, **values: Any) -> None:  # noqa: ANN401
    """Move an accepted batch to refused: WeChat's review ended its job, or the job failed."""
    transitions.move_batch(
        connection, batch, BatchState.REFUSED, poll_at=None,
        reason=_why(connection, batch.id), **values,
    )  # fmt: skip


def _why(connection: Connection, batch_id: int) -> Reason:
    """Return why WeChat stopped a job: it speaks of its review in an event alone."""
    event = _event(connection, batch_id)
    reviewed = event is not None and review(event.status) is not None
    return Reason.REVIEW_REFUSED if reviewed else Reason.JOB_FAILED


def _says_more(connection: Connection, batch: HeldBatch) -> bool:
    return _was_stopped(batch) and batch.reason is not _why(connection, batch.id)


def _was_stopped(batch: HeldBatch) -> bool:
    return batch.state is BatchState.REFUSED and batch.reason in STOPPED_JOB


def _take_back_refusal(connection: Connection, batch: HeldBatch) -> None:
    """Accept a batch again that mass/get called failed: its event says that people got it."""
    history = call_history.of(connection, batch.id)
    decision = decide(history, now=batch.now, policy=Policy())
    # What only an operator's verdict had accepted rests on that verdict again.
    reason = None if decision.verdict is Verdict.ACCEPT else Reason.SAID_SENT
    transitions.move_batch(connection, batch, BatchState.ACCEPTED, reason=reason)
    finish(connection, held_rows.batch(connection, batch.id))
