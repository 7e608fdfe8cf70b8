"""Resolving a doubt: a person, who looked in WeChat's console, says whether a batch was sent.

The word closes the batch; it sends nothing. Each call that it speaks of is marked as denied, so
that the decision over the whole history agrees with the word, until a reply comes that knows
better. A word "sent" that no reply confirms may be said anew: a msg_id is easily mistyped, and then
stands where another batch's is to stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, null, select, update

from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.call.result import LARGEST_MSG_ID
from broadcast.call.rules import DEFAULT_RULES, Rules
from broadcast.errors import InputError
from broadcast.reasons import Reason
from broadcast.reports import Did
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.engine import now
from models.ledger import records, transitions
from models.ledger.apply_verdict import FIRST_POLL
from models.ledger.command import log_action, run
from models.ledger.reading import held_rows, msg_id_owner, possibly_sent
from models.ledger.rows import HeldBatch, HeldBroadcast

_ACCEPTED = frozenset({BatchState.ACCEPTED, BatchState.FINISHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a person's word did to a batch."""

    n: int
    size: int | None
    state: BatchState
    #: False: the same word had been said before.
    changed: bool
    #: Its broadcast was cancelled, so nothing of it is ever called again.
    cancelled: bool
    #: How old its last call is that may have been taken, where WeChat no longer knows its key.
    forgotten: timedelta | None = None


def resolve(
    engine: Engine,
    broadcast_id: str,
    n: int,
    *,
    msg_id: int | None,
    who: str,
    why: str | None = None,
    rules: Rules = DEFAULT_RULES,
) -> Resolved:
    """Close batch *n*, which is in doubt: sent, as the job *msg_id*, or (None) not sent.

    A word that no reply confirms is corrected by another one; batches that wait for the msg_id
    which it gives back are then decided anew. Raises UnknownIdError, and InputError for a batch
    that is not there or not in doubt, for "not sent" where WeChat answered with 0, and for a msg_id
    that another batch has or was told, or that WeChat cannot have given.
    """
    if msg_id is not None and not 0 < msg_id <= LARGEST_MSG_ID:
        raise InputError("error.resolve.msg_id", text=msg_id)

    def work(connection: Connection, row: HeldBroadcast) -> Resolved:
        batch = _batch(connection, row, n)
        corrects = _corrects(connection, batch, msg_id)
        changed = corrects or batch.state is BatchState.IN_DOUBT
        if changed:
            doubt = _taken_back(connection, batch, who=who, why=why) if corrects else batch
            _close(connection, doubt, msg_id, who=who, why=why, rules=rules)
            log_action(connection, row, Did.RESOLVE, who=who, why=why, n=n, msg_id=msg_id)
            transitions.end_if_at_rest(connection, row.id)
            _give_back(connection, batch, rules)
        elif not _said_before(batch, msg_id):
            raise InputError("error.resolve.not_in_doubt", id=row.id, n=n, state=batch.state)
        old = possibly_sent.forgotten(connection, row.id, Batch.n == n, waits=rules.waits)
        return Resolved(
            n=n, size=batch.size, changed=changed, cancelled=batch.cancelled,
            state=BatchState.REFUSED if msg_id is None else BatchState.ACCEPTED,
            forgotten=old.get(n),
        )  # fmt: skip

    return run(engine, broadcast_id, work)


def _batch(connection: Connection, row: HeldBroadcast, n: int) -> HeldBatch:
    batch_id = connection.scalar(select(Batch.id).where(Batch.broadcast_id == row.id, Batch.n == n))
    if batch_id is None:
        raise InputError("error.resolve.no_batch", id=row.id, n=n, doubts=_doubts(connection, row))
    return held_rows.batch(connection, batch_id)


def _doubts(connection: Connection, row: HeldBroadcast) -> str:
    """Return the numbers of the batches that are in doubt."""
    numbers = connection.scalars(
        select(Batch.n)
        .where(Batch.broadcast_id == row.id, Batch.state == BatchState.IN_DOUBT)
        .order_by(Batch.n)
        .limit(10)
    )
    return ", ".join(map(str, numbers)) or "-"


def _said_before(batch: HeldBatch, msg_id: int | None) -> bool:
    if msg_id is None:
        return batch.state is BatchState.REFUSED and batch.reason is Reason.SAID_NOT_SENT
    said = batch.reason is Reason.SAID_SENT and batch.msg_id == msg_id
    return batch.state in _ACCEPTED and said


def _corrects(connection: Connection, batch: HeldBatch, msg_id: int | None) -> bool:
    """Tell whether this word may take the place of one that a person said of the batch before."""
    if batch.state is BatchState.REFUSED and batch.reason is Reason.SAID_NOT_SENT:
        return msg_id is not None
    settled = batch.state in _ACCEPTED or batch.state is BatchState.REFUSED
    return settled and msg_id != batch.msg_id and msg_id_owner.by_word_alone(connection, batch)


def _taken_back(
    connection: Connection, batch: HeldBatch, *, who: str, why: str | None
) -> HeldBatch:
    """Take a person's word back, so that the history shows both; return the batch as it stands."""
    transitions.move_batch(
        connection, batch, BatchState.IN_DOUBT, who=who, why=why, reason=Reason.BY_HAND,
        msg_id=None, msg_data_id=None, msg_status=None, poll_at=None,
    )  # fmt: skip
    return held_rows.batch(connection, batch.id)


def _give_back(connection: Connection, batch: HeldBatch, rules: Rules) -> None:
    """Decide anew about what WeChat said has the msg_id that the batch had until now."""
    if batch.msg_id is None:
        return
    for batch_id in msg_id_owner.waiting_for(connection, batch, batch.msg_id):
        records.accept_anew(connection, batch_id, rules=rules)


def _close(
    connection: Connection,
    batch: HeldBatch,
    msg_id: int | None,
    *,
    who: str,
    why: str | None,
    rules: Rules,
) -> None:
    values: dict[str, Any] = {
        "errcode": None, "errmsg": None, "not_before": None, "polls": 0,
        "settled_after": batch.attempts,
    }  # fmt: skip
    if msg_id is None:
        msg_id_owner.refuse_not_sent(connection, batch)
        _deny(connection, batch.id, possibly_sent.MAYBE)
        transitions.move_batch(
            connection, batch, BatchState.REFUSED, who=who, why=why, msg_id=None, poll_at=None,
            reason=Reason.SAID_NOT_SENT, **values,
        )  # fmt: skip
        return
    msg_id_owner.refuse_of_another(connection, batch, msg_id)
    # An earlier "not sent" is taken back: one of these calls was taken after all.
    _deny(connection, batch.id, possibly_sent.UNANSWERED, denied=None)
    said = AttemptRow.outcome.in_(SAID_ACCEPTED)
    _deny(connection, batch.id, said & (AttemptRow.msg_id != msg_id))
    # The word agrees with a reply that an earlier one denied.
    _deny(connection, batch.id, said & (AttemptRow.msg_id == msg_id), denied=None)
    transitions.move_batch(
        connection, batch, BatchState.ACCEPTED, who=who, why=why, msg_id=msg_id,
        msg_data_id=_data_id(connection, batch.id, msg_id),
        poll_at=now(connection) + rules.waits.scaled(FIRST_POLL), reason=Reason.SAID_SENT, **values,
    )  # fmt: skip


def _deny(
    connection: Connection,
    batch_id: int,
    which: ColumnElement[bool],
    *,
    denied: bool | None = True,
) -> None:
    """Write the person's word on the calls that it speaks of; None takes an earlier one back."""
    connection.execute(
        update(AttemptRow)
        .where(AttemptRow.batch_id == batch_id, which)
        .values(denied=null() if denied is None else denied)
    )


def _data_id(connection: Connection, batch_id: int, msg_id: int) -> int | None:
    """Return the msg_data_id that a reply named together with the msg_id."""
    return connection.scalar(
        select(func.max(AttemptRow.msg_data_id)).where(
            AttemptRow.batch_id == batch_id, AttemptRow.msg_id == msg_id
        )
    )
