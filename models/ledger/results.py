"""Results: what mass/get says of accepted batches, asked with growing pauses for up to 48 hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine, exists, select, update

from broadcast.call.result import CallResult
from broadcast.call.waits import Waits
from broadcast.enums import is_recognised
from broadcast.errors import IllegalMoveError
from broadcast.events import EventKind
from broadcast.finish import Ending
from broadcast.frozen import frozen
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import GateKind
from broadcast.states import BatchState
from models.account import Lane
from models.batch import Batch
from models.engine import now
from models.gate import GateRow
from models.ledger import job_ends, records, transitions
from models.ledger.rows import change, columns, every
from models.ledger.transaction import WORKER, note, read, write, write_or_keep

PAUSES = tuple(timedelta(minutes=m) for m in (3, 10, 15, 30, 60, 120, 240))
#: A poller that took batches and died leaves them to the others after this.
TAKEN_FOR = timedelta(minutes=1)
#: The first question is asked two minutes after the acceptance; the 18th comes after 48 h.
MOST_POLLS = 18
_POLLED = frozenset({BatchState.ACCEPTED, BatchState.FINISHED})
#: What mass/get says of a job that ended. DELETE is also seen when nobody was left to send to.
ENDED = frozenset({"SEND_SUCCESS", "DELETE"})
FAILED = "SEND_FAIL"
_CLEAR = frozenset({Ending.SENT, Ending.REFUSED})
_AS_WECHAT = Waits()


@frozen
class Polled:
    """A batch whose result is asked for, as it stood then."""

    id: int
    broadcast_id: str
    msg_id: int
    polls: int
    poll_at: datetime


@frozen
class _Asked:
    """How often mass/get was asked, and what it said last."""

    polls: int
    msg_status: str | None


def due_accounts(engine: Engine) -> list[str]:
    """Return the accounts that have a batch whose result is to be asked for now.

    Not those that WeChat stopped: it would answer the question in the same way.
    """
    stopped = exists().where(
        GateRow.account == Lane.account, GateRow.opened_at.is_(None),
        GateRow.broadcast_id == "", GateRow.kind == GateKind.STOP,
        GateRow.scope == GateScope.ACCOUNT,
    )  # fmt: skip
    with read(engine) as connection:
        due = exists().where(Batch.account == Lane.account, Batch.poll_at <= now(connection))
        query = select(Lane.account).where(due, ~stopped).order_by(Lane.account)
        return list(connection.scalars(query))


def due_batches(
    engine: Engine, account: str, most: int, *, waits: Waits = _AS_WECHAT
) -> list[Polled]:
    """Take up to *most* due batches; their next poll is moved on, so two pollers share the work."""
    next_poll = waits.scaled(TAKEN_FOR)

    def work(connection: Connection) -> list[Polled]:
        moment = now(connection)
        rows = every(
            connection,
            select(*columns(Polled, Batch))
            .where(Batch.account == account, Batch.poll_at <= moment, Batch.msg_id.is_not(None))
            .order_by(Batch.poll_at)
            .limit(most),
            Polled,
        )
        return [row for row in rows if _take(connection, row, moment + next_poll)]

    return write(engine, work)


def _take(connection: Connection, row: Polled, next_poll: datetime) -> bool:
    taken = connection.execute(
        update(Batch)
        .where(Batch.id == row.id, Batch.poll_at == row.poll_at)
        .values(poll_at=next_poll)
    )
    return taken.rowcount == 1


class PolledJob(Protocol):
    """A batch and the msg_id that mass/get was asked about."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def msg_id(self) -> int | None: ...  # noqa: D102


def heard(engine: Engine, asked: PolledJob, status: str | None, *, waits: Waits) -> None:
    """Store what mass/get said (None: 40059, not known yet) and close the batch if it ended.

    What it said of a msg_id that is the batch's no more changes nothing.
    """

    def work(connection: Connection) -> None:
        # Lane, then batch, in the order of everybody who moves a batch that is there: read before
        # its turn, the state could be one that a late fact has just changed.
        batch = records.lock(connection, asked.id)
        if not is_recognised(batch.state):
            return
        if batch.state not in _POLLED:
            change(connection, Batch, batch.id, poll_at=None)
            return
        if batch.msg_id != asked.msg_id:
            return
        if job_ends.told(connection, batch.id) in _CLEAR:
            # The event outweighs it, and has moved the batch already.
            transitions.move_batch(
                connection, batch, batch.state, poll_at=None, msg_status=status or batch.msg_status
            )
        elif status in ENDED:
            job_ends.finish(connection, batch, msg_status=status)
        elif status == FAILED:
            job_ends.refuse(connection, batch, msg_status=status)
        else:
            _ask_again(connection, batch.id, status, waits=waits)
        transitions.end_if_at_rest(connection, batch.broadcast_id)

    write_or_keep(engine, work, lambda c, error: _keep(c, asked, status, error=error))


def _keep(
    connection: Connection, asked: PolledJob, status: str | None, *, error: IllegalMoveError
) -> None:
    """Store an answer though nothing follows from it but an *error*, and ask no more."""
    batch = records.lock(connection, asked.id)
    if batch.state not in _POLLED or batch.msg_id != asked.msg_id:
        return
    change(connection, Batch, batch.id, poll_at=None, msg_status=status or batch.msg_status)
    said = status or "not known"
    transitions.leave_to_a_person(connection, batch, error, said=said, msg_id=batch.msg_id)


def unanswered(engine: Engine, asked: Polled, fact: CallResult, *, waits: Waits) -> None:
    """Count a question that WeChat refused or that got no answer, and say so in the history.

    The next one follows after the usual, growing pause, and after 48 h there is none: what became
    of the batch is then not known, which is no reason to take it for not accepted.
    """

    def work(connection: Connection) -> None:
        batch = records.lock(connection, asked.id)
        if batch.state in _POLLED:
            _ask_again(connection, batch.id, None, waits=waits)
        note(
            connection, EventKind.POLL_UNANSWERED, who=WORKER, broadcast_id=asked.broadcast_id,
            batch_id=asked.id, outcome=fact.outcome, errcode=fact.errcode, errmsg=fact.errmsg,
        )  # fmt: skip

    write(engine, work)


def _ask_again(connection: Connection, batch_id: int, status: str | None, *, waits: Waits) -> None:
    query = select(*columns(_Asked, Batch)).where(Batch.id == batch_id)
    (asked,) = every(connection, query, _Asked)
    polls = asked.polls + 1
    pause = waits.scaled(PAUSES[min(polls, len(PAUSES)) - 1])
    change(
        connection,
        Batch,
        batch_id,
        polls=polls,
        msg_status=status or asked.msg_status,
        poll_at=now(connection) + pause if polls < MOST_POLLS else None,
    )
