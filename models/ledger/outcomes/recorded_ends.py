"""Recorded ends: how the job of an accepted batch ended, by a finish event or by mass/get.

Each event is kept once, whoever began its job, and meets the batch that has it.

A batch in doubt gets no msg_id by an event. But where a reply to exactly one batch named the
event's msg_id, the event shows that WeChat knows the job, as an answer of mass/get would.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, exists, select, update
from sqlalchemy.exc import IntegrityError

from broadcast.enums import is_recognised
from broadcast.errors import IllegalMoveError
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning, Waits
from broadcast.rules.finish_events import FinishEvent, JobEnd, supersedes
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import SENT, BatchState
from models.accounts import Lane
from models.base import change, change_where, insert_row, row_of, value_of
from models.batch_tables import OF_ACCOUNT, STANDS, Batch, GateRow
from models.box_tables import Finish
from models.engine import now
from models.ledger.campaigns import unconfirmed_runs
from models.ledger.lane import administrator_waits, record_outcomes, transitions
from models.ledger.outcomes import job_lookup
from models.ledger.outcomes.job_lookup import StoredFinish
from models.ledger.rows import lane_rows, locked_rows
from models.ledger.rows.transaction import (
    WORKER,
    LockedBatch,
    every_row,
    first,
    note,
    one_row,
    reading,
    selected,
    write_or_keep,
    writing,
)


@frozen
class RecordedFinish:
    """Result of recording a finish event."""

    #: False: nothing new; what is stored of this job says the same, or outweighs it.
    new: bool
    #: Whose batch it ended; None: no batch has its msg_id, for now.
    broadcast_id: str | None = None
    n: int | None = None


def record_finish_event(
    engine: Engine, account: str, event: FinishEvent, *, tuning: Tuning = DEFAULT_TUNING
) -> RecordedFinish:
    """Store the end of a job of *account* and settle the batch with its msg_id; idempotent.

    An account that sent nothing yet is fine. Raises DatabaseAwayError.
    """

    def work(connection: Connection) -> RecordedFinish:
        # As everybody who moves a batch: a reply that is being recorded has its msg_id by then.
        if value_of(connection, account, Lane.account) is None:
            return RecordedFinish(new=_store(connection, account, event))
        lane_rows.lock(connection, account)
        new = _store(connection, account, event)
        _confirm(connection, account, event.msg_id, tuning=tuning)
        return _apply_event(connection, account, event.msg_id, new=new)

    return write_or_keep(
        engine, work, lambda c, error: _store_finish_despite(c, account, event, error=error)
    )


def _store_finish_despite(
    connection: Connection, account: str, event: FinishEvent, *, error: IllegalMoveError
) -> RecordedFinish:
    """Store an event though nothing follows from it for its batch but an *error*."""
    lane_rows.lock(connection, account)
    new = _store(connection, account, event)
    owner = _owner(connection, account, event.msg_id)
    batch_id = _doubt(connection, account, event.msg_id) if owner is None else owner
    if batch_id is None:
        return RecordedFinish(new=new)
    batch = locked_rows.locked_batch(connection, batch_id)
    transitions.mark_in_doubt_after_bug(
        connection, batch, error, said=event.status, msg_id=event.msg_id
    )
    return RecordedFinish(new=new, broadcast_id=batch.broadcast_id, n=batch.n)


def _store(connection: Connection, account: str, event: FinishEvent) -> bool:
    """Store an event, unless what is stored of its job outweighs it; return whether it is there."""
    values: dict[str, Any] = {
        "account": account,
        "msg_id": event.msg_id,
        "status": event.status,
        **asdict(event.counts),
        "articles": _array(event.articles),
        "copyright": _array(event.copyright),
        "check_state": event.check_state,
        "created_at": event.created_at,
        "received_at": now(connection),
    }
    mine = (Finish.account == account, Finish.msg_id == event.msg_id)
    # Of an account without a lane two processes may take events of one job at once.
    query = selected(StoredFinish, Finish).where(*mine).with_for_update()
    stored = first(connection, query, StoredFinish)
    if stored is None:
        if _insert(connection, values):
            return True
        stored = one_row(connection, query, StoredFinish)
    if not supersedes(event, replace(stored.event(), created_at=stored.created_at)):
        return False
    change_where(connection, Finish, *mine, **values)
    return True


def _insert(connection: Connection, values: dict[str, Any]) -> bool:
    """Store the first event of a job; return whether no other process was quicker."""
    with contextlib.suppress(IntegrityError), connection.begin_nested():
        insert_row(connection, Finish, **values)
        return True
    return False


def _array(items: Sequence[object]) -> str:
    known = [
        {name: value for name, value in asdict(item).items() if value is not None}  # type: ignore[call-overload]
        for item in items
    ]
    return json.dumps(known, ensure_ascii=False)


def _confirm(connection: Connection, account: str, msg_id: int, *, tuning: Tuning) -> None:
    """Accept the batch to which alone WeChat named the job, if that was all that lacked."""
    batch_id = _doubt(connection, account, msg_id)
    if batch_id is not None:
        record_outcomes.confirm_by_event(connection, batch_id, msg_id, tuning=tuning)


def _doubt(connection: Connection, account: str, msg_id: int) -> int | None:
    """Return the batch in doubt to which alone WeChat named the job."""
    named = job_lookup.unsettled(connection, account, msg_id)
    if len(named) == 1:
        return named[0]
    return None


def _owner(connection: Connection, account: str, msg_id: int) -> int | None:
    """Return the batch that has a msg_id."""
    return connection.scalar(
        select(Batch.id).filter_by(account=account, msg_id=msg_id).order_by(Batch.id).limit(1)
    )


def _apply_event(connection: Connection, account: str, msg_id: int, *, new: bool) -> RecordedFinish:
    batch_id = _owner(connection, account, msg_id)
    if batch_id is None:
        return RecordedFinish(new=new)
    moved = transitions.apply_finish_event(connection, batch_id) or administrator_waits.end_doubt(
        connection, batch_id
    )
    owner = row_of(connection, batch_id, Batch.broadcast_id, Batch.n, Batch.path)
    if new or moved:
        transitions.end_if_at_rest(connection, owner.broadcast_id)
        unconfirmed_runs.follow(connection, batch_id, path=owner.path)
    return RecordedFinish(new=new, broadcast_id=owner.broadcast_id, n=owner.n)


PAUSES = tuple(timedelta(minutes=m) for m in (3, 10, 15, 30, 60, 120, 240))
#: A poller that took batches and died leaves them to the others after this.
TAKEN_FOR = timedelta(minutes=1)
#: The first question is asked two minutes after the acceptance; the 18th comes after 48 h.
MOST_POLLS = 18
#: What mass/get says of a job that ended. DELETE is also seen when nobody was left to send to.
ENDED = frozenset({"SEND_SUCCESS", "DELETE"})
FAILED = "SEND_FAIL"
_CLEAR = frozenset({JobEnd.SENT, JobEnd.REFUSED})
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


@reading
def due_accounts(connection: Connection) -> list[str]:
    """Return the accounts that have a batch whose result is to be asked for now.

    Not those that WeChat stopped: it would answer the question in the same way.
    """
    stopped = exists().where(
        GateRow.account == Lane.account,
        STANDS,
        OF_ACCOUNT,
        GateRow.kind == GateKind.STOP,
        GateRow.scope == GateScope.ACCOUNT,
    )
    due = exists().where(Batch.account == Lane.account, Batch.poll_at <= now(connection))
    query = select(Lane.account).where(due, ~stopped).order_by(Lane.account)
    return list(connection.scalars(query))


@writing
def due_batches(
    connection: Connection, account: str, most: int, *, waits: Waits = _AS_WECHAT
) -> list[Polled]:
    """Return up to *most* due batches; their next poll is moved on, so pollers share the work."""
    next_poll = waits.scaled(TAKEN_FOR)
    moment = now(connection)
    rows = every_row(
        connection,
        selected(Polled, Batch)
        .where(Batch.account == account, Batch.poll_at <= moment, Batch.msg_id.is_not(None))
        .order_by(Batch.poll_at)
        .limit(most),
        Polled,
    )
    return [row for row in rows if _reserve_poll(connection, row, moment + next_poll)]


def _reserve_poll(connection: Connection, row: Polled, next_poll: datetime) -> bool:
    taken = connection.execute(
        update(Batch).filter_by(id=row.id, poll_at=row.poll_at).values(poll_at=next_poll)
    )
    return taken.rowcount == 1


class PolledJob(Protocol):
    """A batch and the msg_id that mass/get was asked about."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def msg_id(self) -> int | None: ...  # noqa: D102


def record_status(engine: Engine, asked: PolledJob, status: str | None, *, waits: Waits) -> bool:
    """Store mass/get's word (None: 40059, not known yet) and close the batch if it ended.

    Return whether the batch failed by it. What it said of a msg_id that is the batch's no more
    changes nothing.
    """

    def work(connection: Connection) -> bool:
        # Lane, then batch, in the order of everybody who moves a batch that is there: read before
        # its turn, the state could be one that a late fact has just changed.
        batch = record_outcomes.lock(connection, asked.id)
        if not is_recognised(batch.state):
            return False
        if batch.state not in SENT:
            change(connection, Batch, batch.id, poll_at=None)
            return False
        if batch.msg_id != asked.msg_id:
            return False
        failed = False
        if transitions.ending_of(connection, batch.id) in _CLEAR:
            # The event outweighs it, and has moved the batch already.
            transitions.move_batch(
                connection, batch, batch.state, poll_at=None, msg_status=status or batch.msg_status
            )
        elif status in ENDED:
            transitions.finish_batch(connection, batch, msg_status=status)
        elif status == FAILED:
            transitions.mark_refused_by_job(connection, batch, msg_status=status)
            failed = True
        elif batch.state is BatchState.ACCEPTED:
            # Of a batch that ended meanwhile an older answer says nothing.
            _schedule_poll(connection, batch, status, waits=waits)
        transitions.end_if_at_rest(connection, batch.broadcast_id)
        unconfirmed_runs.follow(connection, batch.id, path=batch.path)
        return failed

    return write_or_keep(
        engine, work, lambda c, error: _store_status_despite(c, asked, status, error=error)
    )


def _store_status_despite(
    connection: Connection, asked: PolledJob, status: str | None, *, error: IllegalMoveError
) -> bool:
    """Store an answer though nothing follows from it but an *error*, and ask no more."""
    batch = record_outcomes.lock(connection, asked.id)
    if batch.state not in SENT or batch.msg_id != asked.msg_id:
        return False
    change(connection, Batch, batch.id, poll_at=None, msg_status=status or batch.msg_status)
    said = status or "not known"
    transitions.mark_in_doubt_after_bug(connection, batch, error, said=said, msg_id=batch.msg_id)
    return status == FAILED


@writing
def record_unanswered(
    connection: Connection, asked: Polled, fact: CallResult, *, waits: Waits
) -> None:
    """Count a question that WeChat refused or did not answer, and record it in the history.

    The next one follows after the usual, growing pause, and after 48 h there is none: what became
    of the batch is then not known, which is no reason to take it for not accepted. One that waited
    for the administrator is in doubt once their time is over.
    """
    batch = record_outcomes.lock(connection, asked.id)
    if batch.state is BatchState.ACCEPTED:
        _schedule_poll(connection, batch, None, waits=waits)
    note(
        connection,
        EventKind.POLL_UNANSWERED,
        who=WORKER,
        broadcast_id=asked.broadcast_id,
        batch_id=asked.id,
        outcome=fact.outcome,
        errcode=fact.errcode,
        errmsg=fact.errmsg,
    )


def _schedule_poll(
    connection: Connection, batch: LockedBatch, status: str | None, *, waits: Waits
) -> None:
    last = administrator_waits.asked_last_at(connection, batch, waits=waits)
    if last is not None and last <= batch.now:
        administrator_waits.put_in_doubt(connection, batch, status)
        return
    query = selected(_Asked, Batch).filter_by(id=batch.id)
    (asked,) = every_row(connection, query, _Asked)
    polls = asked.polls + 1
    pause = waits.scaled(PAUSES[min(polls, len(PAUSES)) - 1])
    following = batch.now + pause if polls < MOST_POLLS else None
    if last is not None:
        following = min(following or last, last)
    change(
        connection,
        Batch,
        batch.id,
        polls=polls,
        msg_status=status or asked.msg_status,
        poll_at=following,
    )
