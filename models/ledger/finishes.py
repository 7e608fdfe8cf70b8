"""Finish events, taken: each once, kept whoever began its job, and met with the batch that has it.

A batch in doubt gets no msg_id by an event. But where a reply to exactly one batch named the
event's msg_id, the event shows that WeChat knows the job, as an answer of mass/get would.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from broadcast.call.rules import DEFAULT_RULES, Rules
from broadcast.errors import IllegalMoveError
from broadcast.finish import FinishEvent, supersedes
from broadcast.frozen import frozen
from models.account import Lane
from models.batch import Batch
from models.engine import now
from models.finish import Finish
from models.ledger import job_ends, lanes, records, transitions
from models.ledger.reading import held_rows, msg_id_owner
from models.ledger.reading.finishes import Row
from models.ledger.rows import columns, first, one
from models.ledger.transaction import write_or_keep


@frozen
class Taken:
    """What became of a finish event."""

    #: False: nothing new; what is stored of this job says the same, or outweighs it.
    new: bool
    #: Whose batch it ended; None: no batch has its msg_id, for now.
    broadcast_id: str | None = None
    n: int | None = None


def take(
    engine: Engine, account: str, event: FinishEvent, *, rules: Rules = DEFAULT_RULES
) -> Taken:
    """Store the end of a job of *account* and settle the batch that has its msg_id; idempotent.

    An account that sent nothing yet is fine. Raises DatabaseAwayError.
    """

    def work(connection: Connection) -> Taken:
        # As everybody who moves a batch: a reply that is being recorded has its msg_id by then.
        lane = select(Lane.account).where(Lane.account == account)
        if connection.scalar(lane) is None:
            return Taken(new=_store(connection, account, event))
        lanes.hold(connection, account)
        new = _store(connection, account, event)
        _confirm(connection, account, event.msg_id, rules=rules)
        return _settled(connection, account, event.msg_id, new=new)

    return write_or_keep(engine, work, lambda c, error: _keep(c, account, event, error=error))


def _keep(
    connection: Connection, account: str, event: FinishEvent, *, error: IllegalMoveError
) -> Taken:
    """Store an event though nothing follows from it for its batch but an *error*."""
    lanes.hold(connection, account)
    new = _store(connection, account, event)
    owner = _owner(connection, account, event.msg_id)
    batch_id = _doubt(connection, account, event.msg_id) if owner is None else owner
    if batch_id is None:
        return Taken(new=new)
    batch = held_rows.batch(connection, batch_id)
    transitions.leave_to_a_person(connection, batch, error, said=event.status, msg_id=event.msg_id)
    return Taken(new=new, broadcast_id=batch.broadcast_id, n=batch.n)


def _store(connection: Connection, account: str, event: FinishEvent) -> bool:
    """Store an event, unless what is stored of its job outweighs it; return whether it is there."""
    values: dict[str, Any] = {
        "account": account, "msg_id": event.msg_id, "status": event.status,
        **asdict(event.counts), "articles": _array(event.articles),
        "copyright": _array(event.copyright), "check_state": event.check_state,
        "created_at": event.created_at, "received_at": now(connection),
    }  # fmt: skip
    mine = (Finish.account == account, Finish.msg_id == event.msg_id)
    # Of an account without a lane two processes may take events of one job at once.
    query = select(*columns(Row, Finish)).where(*mine).with_for_update()
    stored = first(connection, query, Row)
    if stored is None:
        if _insert(connection, values):
            return True
        stored = one(connection, query, Row)
    if not supersedes(event, replace(stored.event(), created_at=stored.created_at)):
        return False
    connection.execute(update(Finish).where(*mine).values(values))
    return True


def _insert(connection: Connection, values: dict[str, Any]) -> bool:
    """Store the first event of a job; return whether no other process was quicker."""
    with contextlib.suppress(IntegrityError), connection.begin_nested():
        connection.execute(insert(Finish).values(values))
        return True
    return False


def _array(items: Sequence[object]) -> str:
    known = [
        {name: value for name, value in asdict(item).items() if value is not None}  # type: ignore[call-overload]
        for item in items
    ]
    return json.dumps(known, ensure_ascii=False)


def _confirm(connection: Connection, account: str, msg_id: int, *, rules: Rules) -> None:
    """Accept the batch to which alone WeChat named the job, if that was all that lacked."""
    batch_id = _doubt(connection, account, msg_id)
    if batch_id is not None:
        records.confirm_by_event(connection, batch_id, msg_id, rules=rules)


def _doubt(connection: Connection, account: str, msg_id: int) -> int | None:
    """Return the batch in doubt to which alone WeChat named the job."""
    named = msg_id_owner.unsettled(connection, account, msg_id)
    if len(named) == 1:
        return named[0]
    return None


def _owner(connection: Connection, account: str, msg_id: int) -> int | None:
    """Return the batch that has a msg_id."""
    return connection.scalar(
        select(Batch.id)
        .where(Batch.account == account, Batch.msg_id == msg_id)
        .order_by(Batch.id)
        .limit(1)
    )


def _settled(connection: Connection, account: str, msg_id: int, *, new: bool) -> Taken:
    batch_id = _owner(connection, account, msg_id)
    if batch_id is None:
        return Taken(new=new)
    moved = job_ends.meet(connection, batch_id)
    whose = select(Batch.broadcast_id, Batch.n).where(Batch.id == batch_id)
    owner = connection.execute(whose).one()
    if new or moved:
        transitions.end_if_at_rest(connection, owner.broadcast_id)
    return Taken(new=new, broadcast_id=owner.broadcast_id, n=owner.n)
