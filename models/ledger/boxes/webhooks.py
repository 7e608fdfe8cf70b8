"""Webhooks in the ledger: stored with the change that they tell, then tried until they arrive.

What is stored is the broadcast as it is then. The body is made of that before the first delivery,
outside of the transaction that stores WeChat's reply, and stays the same. A worker that takes an
event puts off when it is due, and delivers it outside of any transaction. One that dies meanwhile
leaves it to the others, so an event may arrive twice, under the same id.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    func,
    or_,
    select,
    update,
)

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BroadcastState, WebhookState
from broadcast.rules.webhooks import next_try, origin
from broadcast.views import objects
from broadcast.views.objects import Webhook, event_id
from models.base import among, change, change_where, count_of, insert_row, value_of
from models.box_tables import WebhookRow
from models.broadcast_tables import BroadcastRow
from models.engine import database_now, now, skips_locked
from models.ledger.rows import figures, locked_rows, transaction
from models.ledger.rows.transaction import (
    every_row,
    first,
    one_row,
    reading,
    selected,
    write,
    writing,
)

log = logging.getLogger(__name__)


@frozen
class ReservedEvent:
    """Event reserved for delivery by this worker."""

    id: int
    broadcast_id: str
    version: int
    url: str = field(repr=False)
    origin: str
    account: str
    kind: str
    figures: str | None = field(repr=False)
    #: None: it is to be made.
    body: str | None = field(repr=False)
    created_at: datetime
    #: This one included.
    tries: int
    #: A person's retry begins anew: what came before it ends nothing.
    since: datetime

    @property
    def event_id(self) -> str:
        """Its id as the receiver knows it."""
        return objects.event_id(self.broadcast_id, self.version)


@frozen
class _Receiver:
    """Receiver of a broadcast's webhooks, and what was reported last."""

    account: str
    result: BroadcastState | None
    notify_url: str | None
    notified_digest: str | None


@frozen
class _Notice:
    """Reported state of a broadcast."""

    state: BroadcastState
    digest: str
    at: datetime
    figures: str | None = None


def notify(connection: Connection, broadcast_id: str, *, anew: bool) -> None:
    """Store the event that a broadcast is where it is, in the transaction that brought it there.

    *anew*: it came there now. Else it is reported only if its state or its sets are not those that
    were reported last. Not where nobody is to hear of it.
    """
    mine = BroadcastRow.id == broadcast_id
    receiver = one_row(connection, selected(_Receiver, BroadcastRow).where(mine), _Receiver)
    if receiver.notify_url is None:
        return
    notice = _notice(connection, broadcast_id) or _bare(connection, receiver)
    if not anew and notice.digest == receiver.notified_digest:
        return
    # Whatever else moved it in this transaction: each event has a version of its own.
    raised = {"version": BroadcastRow.version + 1, "notified_digest": notice.digest}
    change_where(connection, BroadcastRow, mine, **raised)
    version = select(BroadcastRow.version).where(mine).scalar_subquery()
    insert_row(
        connection,
        WebhookRow,
        broadcast_id=broadcast_id,
        version=version,
        account=receiver.account,
        kind=objects.event_kind(notice.state),
        url=receiver.notify_url,
        origin=origin(receiver.notify_url),
        figures=notice.figures,
        state=WebhookState.WAITING,
        tries=0,
        created_at=notice.at,
        due_at=notice.at,
        since=notice.at,
    )


def _notice(connection: Connection, broadcast_id: str) -> _Notice | None:
    """Return what is reported of a broadcast; None: it cannot be read.

    That must not undo the change that is reported, a reply of WeChat's say.
    """
    savepoint = connection.begin_nested()
    try:
        found = figures.figures_of(connection, broadcast_id)
        notice = _Notice(
            state=found.state,
            digest=objects.event_digest(found.state, *found.sums),
            at=found.row.now,
            figures=found.stored(),
        )
    except Exception:
        # Raises where the server has taken back the change as well.
        savepoint.rollback()
        if connection.invalidated:
            raise
        log.exception("broadcast %s: its webhook has no figures", broadcast_id)
        return None
    savepoint.commit()
    return notice


def _bare(connection: Connection, receiver: _Receiver) -> _Notice:
    state = receiver.result or BroadcastState.HELD
    return _Notice(state=state, digest=state.value, at=now(connection))


_ANY_DUE = select(WebhookRow.id).where(WebhookRow.due_at <= database_now()).limit(1)


@reading
def any_due(connection: Connection) -> bool:
    """Return whether an event waits to be delivered now."""
    return connection.scalar(_ANY_DUE) is not None


def reserve_next_event(
    engine: Engine, *, busy: Collection[str], put_off: timedelta
) -> ReservedEvent | None:
    """Reserve the event that is due the longest; None: there is none.

    Not of the origins in *busy*. It is due again after *put_off* unless its end is recorded.
    """
    query = (
        selected(ReservedEvent, WebhookRow)
        .where(WebhookRow.due_at <= database_now(), WebhookRow.origin.not_in(busy))
        .order_by(WebhookRow.due_at, WebhookRow.id)
        .limit(1)
    )

    def work(connection: Connection) -> ReservedEvent | None:
        locked = query.with_for_update(skip_locked=skips_locked(connection))
        found = first(connection, locked, ReservedEvent)
        if found is None:
            return None
        moment = now(connection)
        again = {"tried_at": moment, "due_at": moment + put_off}
        change(connection, WebhookRow, found.id, tries=WebhookRow.tries + 1, **again)
        return replace(found, tries=found.tries + 1)

    return write(engine, work) if any_due(engine) else None


@writing
def store_body(connection: Connection, taken: ReservedEvent, body: str) -> str:
    """Store the body of an event; return it, or the one that another worker stored first."""
    none_yet = update(WebhookRow).filter_by(id=taken.id, body=None)
    connection.execute(none_yet.values(body=body))
    return value_of(connection, taken.id, WebhookRow.body) or body


@writing
def mark_delivered(connection: Connection, taken: ReservedEvent, http_status: int) -> None:
    """Mark an event as delivered, whatever another worker noted of it meanwhile.

    One that a person has had tried again since it was taken is delivered once more.
    """
    connection.execute(
        update(WebhookRow)
        .filter_by(id=taken.id, since=taken.since)
        .values(
            state=WebhookState.DELIVERED,
            http_status=http_status,
            problem=None,
            due_at=None,
            closed_at=now(connection),
        )
    )


@writing
def mark_failed(
    connection: Connection,
    taken: ReservedEvent,
    problem: Message,
    *,
    http_status: int | None,
    waits: Waits,
    is_final: bool = False,
) -> WebhookState:
    """Note why a try failed; return whether the event waits for the next one or was given up.

    *is_final*: the receiver wants no more. What somebody else recorded since it was taken stays.
    """
    mine = (
        WebhookRow.id == taken.id,
        WebhookRow.tries == taken.tries,
        WebhookRow.since == taken.since,
        WebhookRow.state == WebhookState.WAITING,
    )
    if connection.scalar(select(WebhookRow.id).where(*mine).with_for_update()) is None:
        return WebhookState.WAITING
    moment = now(connection)
    due_at = None
    if not is_final:
        due_at = next_try(taken.tries, now=moment, since=taken.since, waits=waits)
    state = WebhookState.GIVEN_UP if due_at is None else WebhookState.WAITING
    change_where(
        connection,
        WebhookRow,
        *mine,
        state=state,
        due_at=due_at,
        closed_at=moment if due_at is None else None,
        http_status=http_status,
        problem=problem,
    )
    return state


def retry_events(engine: Engine, some: Collection[tuple[str, int]]) -> int:
    """Schedule events anew, as on their first day; return how many there are.

    *some* are broadcasts and versions. One that was delivered is delivered once more.
    """

    def work(connection: Connection) -> int:
        moment = now(connection)
        values = {
            "state": WebhookState.WAITING,
            "tries": 0,
            "since": moment,
            "due_at": moment,
            "closed_at": None,
        }
        of = (WebhookRow.broadcast_id == bindparam("b_id"), WebhookRow.version == bindparam("b_n"))
        each = [{"b_id": broadcast_id, "b_n": version} for broadcast_id, version in some]
        connection.execute(update(WebhookRow).where(*of).values(values), each)
        return len(each)

    return write(engine, work) if some else 0


def forget(engine: Engine) -> int:
    """Remove some events that were delivered, or given up, long ago; return how many."""
    return transaction.forget(engine, WebhookRow, lambda moment: WebhookRow.closed_at < moment)


_NEWEST_FIRST: Final = WebhookRow.id.desc()
_WEBHOOKS: Final = selected(Webhook, WebhookRow).order_by(_NEWEST_FIRST)
#: Ids that are named where a part fits several, and among which a near one is looked for.
_NAMED: Final = 5
_NEAR_OF: Final = 500
#: Of a BIGINT.
_DIGITS: Final = 19


def newest(
    engine: Engine, *, states: Sequence[WebhookState], most: int | None = None
) -> Sequence[Webhook]:
    """Return the newest events in one of *states*; *most* None: all."""
    return [one for _, one in page(engine, states=states, most=most)]


@reading
def page(
    connection: Connection,
    *,
    states: Sequence[WebhookState],
    most: int | None,
    accounts: Collection[str] | None = None,
    before: int | None = None,
) -> Sequence[tuple[int, Webhook]]:
    """Return the newest events in one of *states*, each with the number of its row.

    Of *accounts* alone, those of smaller numbers than *before*; *most* None: all.
    """
    query = _WEBHOOKS.add_columns(WebhookRow.id).where(WebhookRow.state.in_(states)).limit(most)
    query = among(query, WebhookRow.account, accounts)
    if before is not None:
        query = query.where(WebhookRow.id < before)
    rows = connection.execute(query).mappings()
    return [
        (row["id"], Webhook(**{name: row[name] for name in row if name != "id"})) for row in rows
    ]


@reading
def count(connection: Connection, states: Sequence[WebhookState]) -> int:
    """Return how many events are in one of *states*."""
    return count_of(connection, WebhookRow, WebhookRow.state.in_(states))


@reading
def of_broadcast(connection: Connection, broadcast_id: str) -> Sequence[Webhook]:
    """Return the events of a broadcast, newest first."""
    return every_row(connection, _WEBHOOKS.filter_by(broadcast_id=broadcast_id), Webhook)


@reading
def one_webhook(connection: Connection, name: str) -> Webhook:
    """Return the event whose id is, or contains, *name*.

    Raises UnknownIdError, and InputError where *name* fits several.
    """
    broadcast_id, _, version = name.rpartition("-")
    if version.isascii() and version.isdigit() and len(version) < _DIGITS:
        exact = _WEBHOOKS.filter_by(broadcast_id=broadcast_id, version=int(version))
        if found := first(connection, exact, Webhook):
            return found
    return _fitting(connection, name)


def _fitting(connection: Connection, part: str) -> Webhook:
    """Return the only event whose id holds *part*; the newest of it come first."""
    query = _WEBHOOKS.where(_of_its_broadcast(part)).limit(_NEAR_OF)
    near = every_row(connection, query, Webhook)
    found = [one for one in near if part.lower() in one.id.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.id for one in found[:_NAMED])
        raise InputError("error.webhook.several", part=part, ids=names)
    known = connection.execute(
        select(WebhookRow.broadcast_id, WebhookRow.version).order_by(_NEWEST_FIRST).limit(_NEAR_OF)
    )
    raise locked_rows.not_among("webhook", part, [event_id(*row) for row in known])


def _of_its_broadcast(part: str) -> ColumnElement[bool]:
    """Return the condition that an event's broadcast fits what *part* says of one."""
    before, _, version = part.lower().rpartition("-")
    words = [part.lower(), *([before] if before and version.isdigit() else [])]
    mine = func.lower(WebhookRow.broadcast_id)
    return or_(*(mine.contains(word, autoescape=True) for word in words))
