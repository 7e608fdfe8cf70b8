"""Webhooks in the ledger: stored with the change that they tell, then tried until they arrive.

A worker that takes an event puts off when it is due, and delivers it outside of any transaction.
One that dies meanwhile leaves it to the others, so an event may arrive twice, under the same id.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from broadcast import report_object, stored_message
from broadcast.call.waits import Waits
from broadcast.message import Message
from broadcast.states import BroadcastState
from broadcast.webhooks import event
from broadcast.webhooks.event import WebhookState
from broadcast.webhooks.schedule import next_try
from broadcast.webhooks.url import origin
from models.broadcast import BroadcastRow
from models.engine import database_now, now, skips_locked
from models.ledger import forgetting
from models.ledger.reading import reports
from models.ledger.rows import columns, first, one
from models.ledger.transaction import read, write
from models.webhook import WebhookRow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An event that this worker is to deliver now."""

    id: int
    broadcast_id: str
    version: int
    url: str = field(repr=False)
    origin: str
    body: str = field(repr=False)
    #: This one included.
    tries: int
    #: A person's retry begins anew: what came before it ends nothing.
    since: datetime

    @property
    def event_id(self) -> str:
        """Its id as the receiver knows it."""
        return event.event_id(self.broadcast_id, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A broadcast, as far as it is reported if its report fails."""

    id: str
    account: str
    key: str
    result: BroadcastState | None
    notify_url: str
    notified_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notice:
    """What is reported."""

    kind: str
    digest: str
    data: Mapping[str, Any]


def notify(connection: Connection, broadcast_id: str, *, anew: bool) -> None:
    """Store the event that a broadcast is where it is, in the transaction that brought it there.

    *anew*: it came there now. Else it is reported only if its state or its sets are not those that
    were reported last.
    """
    mine = BroadcastRow.id == broadcast_id
    row = one(connection, select(*columns(_Row, BroadcastRow)).where(mine), _Row)
    notice = _notice(connection, row)
    if not anew and notice.digest == row.notified_digest:
        return
    # Whatever else moved it in this transaction: each event has a version of its own.
    raised = {"version": BroadcastRow.version + 1, "notified_digest": notice.digest}
    connection.execute(update(BroadcastRow).where(mine).values(raised))
    version = connection.execute(select(BroadcastRow.version).where(mine)).scalar_one()
    _store(connection, row, notice, version=version)


def notify_of_hold(connection: Connection, broadcast_id: str) -> None:
    """Store the event that a broadcast waits for an operator, if anybody is to hear of it."""
    query = select(BroadcastRow.notify_url).where(BroadcastRow.id == broadcast_id)
    if connection.scalar(query) is not None:
        notify(connection, broadcast_id, anew=True)


def _notice(connection: Connection, row: _Row) -> _Notice:
    try:
        report = reports.of(connection, row.id, whole=False)
        return _Notice(
            kind=event.kind(report.state), digest=event.digest(report),
            data=report_object.of(report),
        )  # fmt: skip
    except SQLAlchemyError:
        raise
    except Exception:
        # A bug in a report must not undo the change that it would tell, a reply of WeChat's say.
        log.exception("broadcast %s: its webhook has no figures", row.id)
    state = row.result or BroadcastState.HELD
    data = {"id": row.id, "account": row.account, "key": row.key, "state": state.value}
    return _Notice(kind=event.kind(state), digest=state.value, data=data)


def _store(connection: Connection, row: _Row, notice: _Notice, *, version: int) -> None:
    moment = now(connection)
    body = event.body(notice.kind, notice.data, version=version, at=moment)
    connection.execute(
        insert(WebhookRow).values(
            broadcast_id=row.id, version=version, account=row.account, kind=notice.kind,
            url=row.notify_url, origin=origin(row.notify_url), body=body,
            state=WebhookState.WAITING, tries=0, created_at=moment, due_at=moment, since=moment,
        )
    )  # fmt: skip


_ANY_DUE = select(WebhookRow.id).where(WebhookRow.due_at <= database_now()).limit(1)


def any_due(engine: Engine) -> bool:
    """Return whether an event waits to be delivered now."""
    with read(engine) as connection:
        return connection.scalar(_ANY_DUE) is not None


def take(engine: Engine, *, busy: Collection[str], put_off: timedelta) -> Taken | None:
    """Take the event that is due the longest; None: there is none.

    Not of the origins in *busy*. It is due again after *put_off* unless its end is recorded.
    """
    query = (
        select(*columns(Taken, WebhookRow))
        .where(WebhookRow.due_at <= database_now(), WebhookRow.origin.not_in(busy))
        .order_by(WebhookRow.due_at, WebhookRow.id)
        .limit(1)
    )

    def work(connection: Connection) -> Taken | None:
        held = query.with_for_update(skip_locked=skips_locked(connection))
        found = first(connection, held, Taken)
        if found is None:
            return None
        moment = now(connection)
        connection.execute(
            update(WebhookRow)
            .where(WebhookRow.id == found.id)
            .values(tries=WebhookRow.tries + 1, tried_at=moment, due_at=moment + put_off)
        )
        return replace(found, tries=found.tries + 1)

    return write(engine, work) if any_due(engine) else None


def delivered(engine: Engine, taken: Taken, http_status: int) -> None:
    """Note that the receiver has an event, whatever another worker noted of it meanwhile.

    One that a person has had tried again since it was taken is delivered once more.
    """
    write(
        engine,
        lambda connection: connection.execute(
            update(WebhookRow)
            .where(WebhookRow.id == taken.id, WebhookRow.since == taken.since)
            .values(
                state=WebhookState.DELIVERED, http_status=http_status, problem=None, due_at=None,
                closed_at=now(connection),
            )
        ),
    )  # fmt: skip


def failed(
    engine: Engine,
    taken: Taken,
    problem: Message,
    *,
    http_status: int | None,
    waits: Waits,
    is_final: bool = False,
) -> WebhookState:
    """Note why a try failed; return whether the event waits for the next one or was given up.

    *is_final*: the receiver wants no more. What somebody else recorded since it was taken stays.
    """

    def work(connection: Connection) -> WebhookState:
        mine = (
            WebhookRow.id == taken.id, WebhookRow.tries == taken.tries,
            WebhookRow.since == taken.since, WebhookRow.state == WebhookState.WAITING,
        )  # fmt: skip
        if connection.scalar(select(WebhookRow.id).where(*mine).with_for_update()) is None:
            return WebhookState.WAITING
        moment = now(connection)
        due_at = None
        if not is_final:
            due_at = next_try(taken.tries, now=moment, since=taken.since, waits=waits)
        state = WebhookState.GIVEN_UP if due_at is None else WebhookState.WAITING
        connection.execute(
            update(WebhookRow)
            .where(*mine)
            .values(
                state=state, due_at=due_at, closed_at=moment if due_at is None else None,
                http_status=http_status, problem=stored_message.stored(problem),
            )
        )  # fmt: skip
        return state

    return write(engine, work)


def again(engine: Engine, some: Collection[tuple[str, int]]) -> int:
    """Have events tried from now on, as on their first day; return how many there are.

    *some* are broadcasts and versions. One that was delivered is delivered once more.
    """

    def work(connection: Connection) -> int:
        moment = now(connection)
        values = {
            "state": WebhookState.WAITING, "tries": 0, "since": moment, "due_at": moment,
            "closed_at": None,
        }  # fmt: skip
        of = (WebhookRow.broadcast_id == bindparam("b_id"), WebhookRow.version == bindparam("b_n"))
        each = [{"b_id": broadcast_id, "b_n": version} for broadcast_id, version in some]
        connection.execute(update(WebhookRow).where(*of).values(values), each)
        return len(each)

    return write(engine, work) if some else 0


def forget(engine: Engine) -> int:
    """Remove some events that were delivered, or given up, long ago; return how many."""
    return forgetting.forget(engine, WebhookRow, lambda moment: WebhookRow.closed_at < moment)
