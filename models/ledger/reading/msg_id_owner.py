"""Owners of msg_ids: which batch has one, by WeChat's replies or by an operator's verdict alone.

One job of WeChat's is one batch. A reply 0 is final for its batch; an operator can mistype.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, select

from broadcast.call.operator_verdict import is_misnamed
from broadcast.call.outcomes import SAID_ACCEPTED, Outcome
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.reasons import Reason
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.engine import now
from models.ledger.reading import call_history, possibly_sent
from models.ledger.rows import HeldBatch, columns, first


@frozen
class Owner:
    """A batch that has a msg_id."""

    id: int
    broadcast_id: str
    n: int
    state: BatchState
    reason: Reason | None
    msg_id: int | None
    msg_status: str | None


def _mentions(msg_id: int) -> ColumnElement[bool]:
    return AttemptRow.outcome.in_(SAID_ACCEPTED) & (AttemptRow.msg_id == msg_id)


def _names(msg_id: int) -> ColumnElement[bool]:
    return _mentions(msg_id) & possibly_sent.UNDENIED


def _by_verdict(connection: Connection, owner: Owner) -> bool:
    """Return whether an operator alone gave a batch its msg_id, and can take it back."""
    return is_misnamed(call_history.settlement(connection, owner), now=now(connection))


def accepted_as(connection: Connection, batch_id: int) -> Sequence[int]:
    """Return the msg_ids of every reply 0 to a batch, whatever a person said of them since."""
    found = connection.scalars(
        select(AttemptRow.msg_id)
        .where(AttemptRow.batch_id == batch_id, AttemptRow.outcome == Outcome.ACCEPTED)
        .distinct()
        .order_by(AttemptRow.msg_id)
    )
    return [int(msg_id or 0) for msg_id in found]


def refuse_not_sent(connection: Connection, batch: HeldBatch) -> None:
    """Raise InputError if WeChat answered a call of the batch with 0: then it was sent."""
    msg_ids = accepted_as(connection, batch.id)
    facts = {"id": batch.broadcast_id, "n": batch.n, "msg_id": ", ".join(map(str, msg_ids))}
    for msg_id in msg_ids:
        owner = _owner(connection, batch, msg_id)
        if owner is not None and _by_verdict(connection, owner):
            raise InputError(
                "error.resolve.accepted_elsewhere", owner=owner.broadcast_id, owner_n=owner.n,
                **(facts | {"msg_id": msg_id}),
            )  # fmt: skip
    if msg_ids:
        raise InputError("error.resolve.accepted", **facts)


def refuse_of_another(connection: Connection, batch: HeldBatch, msg_id: int) -> None:
    """Raise InputError if another batch of the account has this msg_id, or an operator named it."""
    owner = _owner(connection, batch, msg_id)
    if owner is not None:
        by_word = _by_verdict(connection, owner)
        raise InputError(
            "error.resolve.owned_by_word" if by_word else "error.resolve.owned",
            msg_id=msg_id, owner=owner.broadcast_id, owner_n=owner.n,
        )  # fmt: skip
    told = connection.execute(
        select(Batch.broadcast_id, Batch.n)
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .where(AttemptRow.account == batch.account, AttemptRow.batch_id != batch.id)
        .where(_names(msg_id))
        .limit(1)
    ).first()
    if told is not None:
        raise InputError(
            "error.resolve.named", msg_id=msg_id, owner=told.broadcast_id, owner_n=told.n
        )


def refuse_mistyped(connection: Connection, batch: HeldBatch, msg_id: int) -> None:
    """Raise InputError if only an operator's verdict gave this msg_id to another batch."""
    owner = _owner(connection, batch, msg_id)
    if owner is not None and _by_verdict(connection, owner):
        refuse_of_another(connection, batch, msg_id)


def is_contested(connection: Connection, batch: HeldBatch, msg_id: int) -> bool:
    """Tell whether WeChat named this msg_id for another batch as well, and nobody says for which.

    That is so too where the other one was sent, by an operator's verdict without a msg_id.
    """
    unnamed = Batch.state.in_([BatchState.ACCEPTED, BatchState.FINISHED]) & Batch.msg_id.is_(None)
    query = (
        select(AttemptRow.id)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(AttemptRow.account == batch.account, AttemptRow.batch_id != batch.id)
        .where(_mentions(msg_id), possibly_sent.UNDENIED | unnamed)
        .limit(1)
    )
    return connection.scalar(query) is not None


def waiting_for(connection: Connection, batch: HeldBatch, msg_id: int) -> Sequence[int]:
    """Return the other batches of the account in doubt to which WeChat named this msg_id."""
    return connection.scalars(
        select(AttemptRow.batch_id)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(AttemptRow.account == batch.account, AttemptRow.batch_id != batch.id)
        .where(_names(msg_id), Batch.state == BatchState.IN_DOUBT)
        .distinct()
        .order_by(AttemptRow.batch_id)
    ).all()


def unsettled(connection: Connection, account: str, msg_id: int) -> Sequence[int]:
    """Return the batches to which WeChat named this msg_id and of which none is known to have it.

    More than one: nobody can say whose job it is.
    """
    mine = (Batch.account == account, Batch.msg_id == msg_id)
    if connection.scalar(select(Batch.id).where(*mine).limit(1)) is not None:
        return ()
    return connection.scalars(
        select(AttemptRow.batch_id)
        .where(AttemptRow.account == account, _names(msg_id))
        .distinct()
        .order_by(AttemptRow.batch_id)
    ).all()


def _owner(connection: Connection, batch: HeldBatch, msg_id: int) -> Owner | None:
    """Return another batch of the account that has this msg_id."""
    query = (
        select(*columns(Owner, Batch))
        .where(Batch.account == batch.account, Batch.msg_id == msg_id, Batch.id != batch.id)
        .limit(1)
    )
    return first(connection, query, Owner)
