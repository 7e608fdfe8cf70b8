"""All calls of one batch, as decisions need them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
)

from broadcast.frozen import alike, frozen
from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.operator_verdict import BatchHistory
from broadcast.rules.calls.outcomes import ANSWERED, SAID_ACCEPTED, UNSENT, Outcome, SendPath
from broadcast.rules.calls.waits import REPEAT_WINDOW, Waits
from broadcast.rules.states import SENT, STOPPED_JOB, BatchState, Reason
from models.batch_tables import AttemptRow, Batch
from models.engine import now
from models.ledger.rows.transaction import read, reading, selected

# Built once: each record runs it.
_HISTORY = (
    selected(
        Attempt,
        AttemptRow,
        owned_elsewhere=exists()
        .where(Batch.account == AttemptRow.account, Batch.msg_id == AttemptRow.msg_id)
        .where(Batch.id != AttemptRow.batch_id),
    )
    .filter_by(batch_id=bindparam("batch_id"))
    .order_by(AttemptRow.number)
)


def attempts_of(connection: Connection, batch_id: int) -> list[Attempt]:
    """Return all attempts of a batch, oldest first."""
    rows = connection.execute(_HISTORY, {"batch_id": batch_id})
    return [
        Attempt(**(dict(row) | {name: bool(row[name]) for name in ("owned_elsewhere", "denied")}))
        for row in rows.mappings()
    ]


class BatchFacts(Protocol):
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


def batch_history(connection: Connection, batch: BatchFacts) -> BatchHistory:
    """Return where a batch stands, with all its calls."""
    return alike(BatchHistory, batch, history=attempts_of(connection, batch.id))


#: No reply that can be trusted came.
UNANSWERED: ColumnElement[bool] = AttemptRow.outcome.is_(None) | AttemptRow.outcome.not_in(ANSWERED)
#: WeChat may have taken it, as far as the replies show; one that says "accepted" did.
MAYBE: ColumnElement[bool] = UNANSWERED | AttemptRow.outcome.in_(SAID_ACCEPTED)
#: No person took it for not sent.
UNDENIED: ColumnElement[bool] = AttemptRow.denied.is_not(true())


@frozen
class Span:
    """Times of the first and the last call that WeChat may have taken."""

    first: datetime
    last: datetime


def spans(
    connection: Connection, broadcast_id: str, *which: ColumnElement[bool]
) -> dict[int, Span]:
    """Return, by batch number, when calls began that WeChat may have taken; *which* narrows it."""
    rows = connection.execute(
        select(Batch.n, func.min(AttemptRow.started_at), func.max(AttemptRow.started_at))
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .where(Batch.broadcast_id == broadcast_id, MAYBE, *which)
        .group_by(Batch.n)
    )
    return {n: Span(first=first, last=last) for n, first, last in rows}


def forgotten(
    connection: Connection, broadcast_id: str, *which: ColumnElement[bool], waits: Waits
) -> dict[int, timedelta]:
    """Return the batches whose key WeChat no longer knows: by number, how old the last call is.

    Counted from the last call that WeChat may have taken, whatever a person said of it: called
    again after that, a batch that did go out goes out once more. *which* narrows the batches.
    """
    moment = now(connection)
    ages = {n: moment - span.last for n, span in spans(connection, broadcast_id, *which).items()}
    window = waits.scaled(REPEAT_WINDOW)
    return {n: age for n, age in ages.items() if age >= window}


def forgotten_of(
    engine: Engine, broadcast_id: str, numbers: Collection[int], *, waits: Waits
) -> dict[int, timedelta]:
    """Return the same of the batches with these *numbers*."""
    if not numbers:
        return {}
    with read(engine) as connection:
        return forgotten(connection, broadcast_id, Batch.n.in_(numbers), waits=waits)


@reading
def named_by_verdict(connection: Connection, broadcast_id: str) -> dict[int, int]:
    """Return the batches that a review refused, with the msg_id that an operator alone gave each.

    It may be another job's: then their followers may have got the message all the same.
    """
    named = select(AttemptRow.id).filter_by(batch_id=Batch.id, msg_id=Batch.msg_id)
    query = (
        select(Batch.n, Batch.msg_id)
        .filter_by(broadcast_id=broadcast_id, state=BatchState.REFUSED)
        .where(Batch.reason.in_(STOPPED_JOB), Batch.msg_id.is_not(None), ~named.exists())
    )
    return {n: int(msg_id or 0) for n, msg_id in connection.execute(query.order_by(Batch.n))}


@reading
def named_msg_ids(connection: Connection, broadcast_id: str) -> dict[int, list[int]]:
    """Return, for each batch in doubt, the msg_ids that replies of WeChat's named."""
    found: dict[int, list[int]] = {}
    rows = connection.execute(
        select(Batch.n, AttemptRow.msg_id)
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .filter_by(broadcast_id=broadcast_id, state=BatchState.IN_DOUBT)
        .where(AttemptRow.msg_id.is_not(None))
        .distinct()
        .order_by(Batch.n, AttemptRow.msg_id)
    )
    for n, msg_id in rows:
        found.setdefault(n, []).append(int(msg_id or 0))
    return found


@reading
def called_at(connection: Connection, broadcast_id: str) -> dict[int, Span]:
    """Return, for each batch in doubt, when the calls began that may have sent it.

    That is where a person looks; a call that WeChat refused, or that was not made, sent nothing.
    """
    doubts = Batch.state == BatchState.IN_DOUBT
    return spans(connection, broadcast_id, doubts, UNDENIED)


@reading
def last_call(connection: Connection, broadcast_id: str, n: int) -> datetime | None:
    """Return when the last call of a batch began that WeChat may have taken, whoever denies it."""
    span = spans(connection, broadcast_id, Batch.n == n).get(n)
    return None if span is None else span.last


@reading
def called_not_sent(connection: Connection, broadcast_id: str) -> dict[int, Span]:
    """Return the call times of batches that only an operator marked as not sent."""
    denied = (Batch.state == BatchState.REFUSED, Batch.reason == Reason.SAID_NOT_SENT)
    return spans(connection, broadcast_id, *denied)


@reading
def called_sent(connection: Connection, broadcast_id: str) -> dict[int, Span]:
    """Return the call times of accepted batches whose job nobody knows."""
    unnamed = (
        Batch.state.in_(SENT),
        Batch.msg_id.is_(None),
    )
    return spans(connection, broadcast_id, *unnamed)


def left_nothing(outcome: Outcome | None, transport: str | None) -> bool:
    """Return whether an attempt wrote not one byte of its request to the wire."""
    return outcome is Outcome.NOT_CALLED or (outcome is Outcome.WAIT and transport in UNSENT)


_LEFT_NOTHING = or_(
    AttemptRow.outcome == Outcome.NOT_CALLED,
    and_(AttemptRow.outcome == Outcome.WAIT, AttemptRow.transport.in_(sorted(UNSENT))),
)
#: The same, of all attempts of a batch.
UNTOUCHED: ColumnElement[bool] = ~exists().where(
    AttemptRow.batch_id == Batch.id, _LEFT_NOTHING.is_not(true())
).correlate(Batch)
#: It waits for a call, and goes out as it was.
IS_FIXED: ColumnElement[bool] = and_(Batch.state == BatchState.PLANNED, ~UNTOUCHED)
#: People can be taken out of it.
SHRINKS: ColumnElement[bool] = and_(
    Batch.state == BatchState.PLANNED, UNTOUCHED, Batch.path == SendPath.MASS_SEND, Batch.size > 0
)
