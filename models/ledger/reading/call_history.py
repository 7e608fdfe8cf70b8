"""All calls of one batch, as decisions need them."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection, bindparam, exists, select

from broadcast.call.attempts import Attempt
from broadcast.call.operator_verdict import Settlement
from broadcast.reasons import Reason
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch

# Built once: each record runs it.
_HISTORY = (
    select(
        AttemptRow.number, AttemptRow.outcome, AttemptRow.started_at,
        AttemptRow.outcome_recorded_at,
        AttemptRow.errcode, AttemptRow.msg_id, AttemptRow.msg_data_id, AttemptRow.confirmed,
        AttemptRow.denied,
        AttemptRow.token_fingerprint,
        exists()
        .where(Batch.account == AttemptRow.account, Batch.msg_id == AttemptRow.msg_id)
        .where(Batch.id != AttemptRow.batch_id)
        .label("owned_elsewhere"),
    )
    .where(AttemptRow.batch_id == bindparam("batch_id"))
    .order_by(AttemptRow.number)
)  # fmt: skip


def of(connection: Connection, batch_id: int) -> list[Attempt]:
    """Return all attempts of a batch, oldest first."""
    rows = connection.execute(_HISTORY, {"batch_id": batch_id})
    return [
        Attempt(**(dict(row) | {name: bool(row[name]) for name in ("owned_elsewhere", "denied")}))
        for row in rows.mappings()
    ]


class Settled(Protocol):
    """A batch as it stands."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> BatchState: ...  # noqa: D102
    @property
    def reason(self) -> Reason | None: ...  # noqa: D102
    @property
    def msg_id(self) -> int | None: ...  # noqa: D102
    @property
    def msg_status(self) -> str | None: ...  # noqa: D102


def settlement(connection: Connection, batch: Settled) -> Settlement:
    """Return where a batch stands, with all its calls."""
    return Settlement(
        state=batch.state, reason=batch.reason, msg_id=batch.msg_id,
        msg_status=batch.msg_status, history=of(connection, batch.id),
    )  # fmt: skip
