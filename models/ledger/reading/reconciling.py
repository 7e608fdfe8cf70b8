"""What is reconciled of an account: the batches that were called then, and the jobs that ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Engine, select

from broadcast.frozen import frozen
from broadcast.jobs import Job, Stretch
from broadcast.reconcile import Reconciled, SetAside
from models.batch import Batch
from models.finish import Finish
from models.ledger.reading import jobs, misfits, pushes
from models.ledger.reading.finishes import Row
from models.ledger.rows import columns, every
from models.ledger.transaction import snapshot


@frozen
class _Event(Row):
    """The event of a job."""

    batch_id: int


def read(
    engine: Engine, account: str, within: Stretch
) -> tuple[Sequence[Reconciled], Sequence[Job], Sequence[SetAside]]:
    """Return the batches of *account* that were first called then, and the jobs that ended then.

    A job ends after its call: those of batches that were called before are there with them. Third
    is what WeChat pushed then and nobody could read.
    """
    with snapshot(engine) as connection:
        return (
            _batches(connection, account, within), jobs.ended(connection, account, within),
            pushes.set_aside(connection, account, within),
        )  # fmt: skip


def _batches(connection: Connection, account: str, within: Stretch) -> Sequence[Reconciled]:
    called = (
        Batch.account == account,
        Batch.first_called_at >= within.since,
        Batch.first_called_at < within.until,
    )
    rows = every(
        connection,
        select(*columns(Reconciled, Batch, "event", "other_time", "denied"))
        .where(*called)
        .order_by(Batch.first_called_at, Batch.id),
        Reconciled,
    )
    events = every(
        connection,
        select(*columns(_Event, Finish, "batch_id"), Batch.id.label("batch_id"))
        .join(Batch, (Batch.account == Finish.account) & (Batch.msg_id == Finish.msg_id))
        .where(*called),
        _Event,
    )
    by_batch = {row.batch_id: row.event() for row in events}
    ended = {row.batch_id: row.ended_at for row in events}
    apart = misfits.of_other_time(connection, ended, *called)
    return [
        replace(row, event=by_batch.get(row.id), other_time=row.id in apart) for row in rows
    ]  # fmt: skip
