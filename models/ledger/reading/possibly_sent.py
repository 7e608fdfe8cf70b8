"""Calls that WeChat may have taken, as the database finds them, and when they began.

What a reply leaves open is said once for both languages:
:func:`broadcast.call.outcomes.unanswered` for programs, :data:`UNANSWERED` for statements.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, func, select, true

from broadcast.call.outcomes import ANSWERED, SAID_ACCEPTED
from broadcast.call.waits import REPEAT_WINDOW, Waits
from broadcast.frozen import frozen
from broadcast.reasons import STOPPED_JOB, Reason
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.engine import now
from models.ledger.transaction import read

#: No reply that can be trusted came.
UNANSWERED: ColumnElement[bool] = AttemptRow.outcome.is_(None) | AttemptRow.outcome.not_in(ANSWERED)
#: WeChat may have taken it, as far as the replies show; one that says "accepted" did.
MAYBE: ColumnElement[bool] = UNANSWERED | AttemptRow.outcome.in_(SAID_ACCEPTED)
#: No person took it for not sent.
UNDENIED: ColumnElement[bool] = AttemptRow.denied.is_not(true())


@frozen
class Span:
    """When the first and the last call began that WeChat may have taken."""

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


def named_by_word(engine: Engine, broadcast_id: str) -> dict[int, int]:
    """Return the batches that a review refused, with the msg_id that an operator alone gave each.

    It may be another job's: then their followers may have got the message all the same.
    """
    named = select(AttemptRow.id).where(
        AttemptRow.batch_id == Batch.id, AttemptRow.msg_id == Batch.msg_id
    )
    query = select(Batch.n, Batch.msg_id).where(
        Batch.broadcast_id == broadcast_id, Batch.state == BatchState.REFUSED,
        Batch.reason.in_(STOPPED_JOB), Batch.msg_id.is_not(None), ~named.exists(),
    )  # fmt: skip
    with read(engine) as connection:
        return {n: int(msg_id or 0) for n, msg_id in connection.execute(query.order_by(Batch.n))}


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
        return spans(connection, broadcast_id, doubts, UNDENIED)


def last_call(engine: Engine, broadcast_id: str, n: int) -> datetime | None:
    """Return when the last call of a batch began that WeChat may have taken, whoever denies it."""
    with read(engine) as connection:
        span = spans(connection, broadcast_id, Batch.n == n).get(n)
    return None if span is None else span.last


def called_not_sent(engine: Engine, broadcast_id: str) -> dict[int, Span]:
    """Return the same of each batch of which only a person says that it was not sent."""
    denied = (Batch.state == BatchState.REFUSED, Batch.reason == Reason.SAID_NOT_SENT)
    with read(engine) as connection:
        return spans(connection, broadcast_id, *denied)


def called_sent(engine: Engine, broadcast_id: str) -> dict[int, Span]:
    """Return the same of each batch that counts as accepted, and nobody knows as which job."""
    unnamed = (
        Batch.state.in_([BatchState.ACCEPTED, BatchState.FINISHED]), Batch.msg_id.is_(None),
    )  # fmt: skip
    with read(engine) as connection:
        return spans(connection, broadcast_id, *unnamed)
