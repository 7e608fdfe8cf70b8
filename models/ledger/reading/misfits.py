"""Jobs that ended and cannot be the batch for which an operator names them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.errors import InputError
from broadcast.jobs import went_to_nobody
from models.attempt import AttemptRow
from models.ledger.reading import finishes
from models.ledger.rows import HeldBatch


def refuse(connection: Connection, batch: HeldBatch, msg_id: int) -> None:
    """Raise InputError for a job that, by WeChat's report of its end, cannot be this batch.

    What a reply named to the batch is WeChat's own word, and stands against its report.
    """
    job = finishes.row_of_job(connection, batch.account, msg_id)
    if job is None or _is_named(connection, batch, msg_id):
        return
    facts = {"id": batch.broadcast_id, "n": batch.n, "msg_id": msg_id}
    if went_to_nobody(job.event(), batch.size):
        raise InputError("error.resolve.to_nobody", size=batch.size, **facts)


def _is_named(connection: Connection, batch: HeldBatch, msg_id: int) -> bool:
    query = select(AttemptRow.id).where(
        AttemptRow.batch_id == batch.id, AttemptRow.msg_id == msg_id,
        AttemptRow.outcome.in_(SAID_ACCEPTED),
    )  # fmt: skip
    return connection.scalar(query.limit(1)) is not None
