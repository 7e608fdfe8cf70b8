"""Doubts: where a person looks in WeChat's console for what became of a batch."""

from __future__ import annotations

from sqlalchemy import Engine, select

from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.ledger.reading import possibly_sent
from models.ledger.reading.possibly_sent import Span
from models.ledger.transaction import read


def named_msg_ids(engine: Engine, broadcast_id: str) -> dict[int, list[int]]:
    """Return, for each batch in doubt, the msg_ids that replies of WeChat's named."""
    found: dict[int, list[int]] = {}
    with read(engine) as connection:
        rows = connection.execute(
            select(Batch.n, AttemptRow.msg_id)
            .join(AttemptRow, AttemptRow.batch_id == Batch.id)
            .where(Batch.broadcast_id == broadcast_id, Batch.state == BatchState.IN_DOUBT)
            .where(AttemptRow.msg_id.is_not(None))
            .distinct()
            .order_by(Batch.n, AttemptRow.msg_id)
        )
        for n, msg_id in rows:
            found.setdefault(n, []).append(int(msg_id or 0))
    return found


def called_at(engine: Engine, broadcast_id: str) -> dict[int, Span]:
    """Return, for each batch in doubt, when the calls began that may have sent it.

    That is where a person looks; a call that WeChat refused, or that was not made, sent nothing.
    """
    with read(engine) as connection:
        doubts = Batch.state == BatchState.IN_DOUBT
        return possibly_sent.spans(connection, broadcast_id, doubts, possibly_sent.UNDENIED)
