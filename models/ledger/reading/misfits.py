"""Jobs that ended and cannot be the batch for which an operator names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from broadcast.call import operator_verdict
from broadcast.errors import InputError
from broadcast.jobs import fits, went_to_nobody
from broadcast.reasons import STOPPED_JOB, Reason
from models.attempt import AttemptRow
from models.batch import Batch
from models.ledger.reading import call_history, finishes
from models.ledger.rows import HeldBatch


def refuse(connection: Connection, batch: HeldBatch, msg_id: int) -> None:
    """Raise InputError for a job that, by WeChat's report of its end, cannot be this batch.

    What a reply named to the batch is WeChat's own word, and stands against its report.
    """
    job = finishes.row_of_job(connection, batch.account, msg_id)
    if job is None:
        return
    history = call_history.of(connection, batch.id)
    if operator_verdict.is_named(history, msg_id):
        return
    facts = {"id": batch.broadcast_id, "n": batch.n, "msg_id": msg_id}
    if went_to_nobody(job.event(), batch.size):
        raise InputError("error.resolve.to_nobody", size=batch.size, **facts)
    called = [attempt.started_at for attempt in history]
    if not fits(called, job.ended_at):
        raise InputError(
            "error.resolve.other_time", at=job.ended_at, first=min(called, default="-"), **facts
        )


def of_other_time(
    connection: Connection, ended: Mapping[int, datetime], *which: ColumnElement[bool]
) -> Collection[int]:
    """Return the batches whose job an operator alone named, and no call of theirs can have begun.

    *ended*: when the job of each batch ended, by the batch's id. *which* narrows the batches.
    """
    by_word = Batch.reason.in_([Reason.SAID_SENT, *STOPPED_JOB])
    rows = connection.execute(
        select(AttemptRow.batch_id, AttemptRow.started_at, AttemptRow.msg_id == Batch.msg_id)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(by_word, *which)
    )
    called: dict[int, list[datetime]] = defaultdict(list)
    named = set()
    for batch_id, started_at, is_named in rows:
        called[batch_id].append(started_at)
        if is_named:
            named.add(batch_id)
    return {
        batch_id for batch_id, calls in called.items()
        if batch_id in ended and batch_id not in named and not fits(calls, ended[batch_id])
    }  # fmt: skip
