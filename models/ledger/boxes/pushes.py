"""Pushes: stored once before WeChat is answered, then handled, however often it takes.

What is handled twice changes nothing the second time, so two workers that take the same push do no
harm; they seldom do, since taking one puts off when it is due again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.jobs import Period, SetAside
from broadcast.rules.pushes import SUBSCRIBE, UNSUBSCRIBE, Action, Push
from broadcast.rules.suppressions import ALL_ACCOUNTS
from models.base import change_where
from models.box_tables import IS_SET_ASIDE, PushRow
from models.engine import database_now, now, skips_locked
from models.ledger.rows import transaction
from models.ledger.rows.transaction import every_row, note, reading, selected, write, writing
from models.suppressions import Suppression

#: A worker that took pushes and died leaves them to the others after this.
TAKEN_FOR: Final = timedelta(minutes=1)
#: After a try that failed; doubled with each, up to the last.
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=1)
#: Of an opt-out for which calls wait.
LONGEST_PAUSE_AWAITED: Final = timedelta(minutes=1)
#: Tries of an opt-out, over an hour, for which calls wait: no push stops an account for ever.
MOST_TRIES_AWAITED: Final = 60
_FORGOTTEN_AT_ONCE: Final = 500
_LONGEST_PROBLEM: Final = 512


@frozen
class Due:
    """A push that is to be handled."""

    id: int
    account: str
    kind: str
    openid: str | None
    happened_at: datetime
    received_at: datetime
    action: Action | None
    body: str = field(repr=False)
    tries: int
    due_at: datetime


_AS_IT_IS = ("account", "dedup", "kind", "openid", "msg_id", "action", "body")
# Built once: building a statement costs as much as running it.
_STORE = insert(PushRow).values(
    {name: bindparam(name) for name in _AS_IT_IS} | {"received_at": database_now()}
)
_STORE_BY = {
    (needs_handling, known): _STORE.values(
        {
            "happened_at": bindparam("happened_at") if known else database_now(),
            "due_at" if needs_handling else "handled_at": database_now(),
        }
    )
    for needs_handling in (False, True)
    for known in (False, True)
}


def store(engine: Engine, push: Push) -> bool:
    """Store a push; return whether it is new. Raises DatabaseAwayError.

    One that asks for nothing is handled when it is stored.
    """
    try:
        write(engine, lambda connection: _insert(connection, [push]))
    except IntegrityError:
        # WeChat repeats what it got no answer to within five seconds.
        return False
    return True


def store_all(engine: Engine, some: Sequence[Push]) -> None:
    """Store those of these pushes that are new, in one transaction. Raises DatabaseAwayError."""
    try:
        write(engine, lambda connection: store_in(connection, some))
    except IntegrityError:
        # Another server stored one of them meanwhile.
        for push in some:
            store(engine, push)


def store_in(connection: Connection, some: Sequence[Push]) -> Sequence[Push]:
    """Store those of these pushes that are new; return them.

    Raises IntegrityError where another server stores one of them meanwhile.
    """
    by_key = {(push.account, push.dedup): push for push in some}
    for account, dedup in connection.execute(select(*_KEY).where(*_is_one_of(by_key))):
        by_key.pop((account, dedup), None)
    new = list(by_key.values())
    _insert(connection, new)
    return new


_KEY = (PushRow.account, PushRow.dedup)


def _is_one_of(keys: Iterable[tuple[str, str]]) -> tuple[ColumnElement[bool], ...]:
    accounts, dedups = {key[0] for key in keys}, {key[1] for key in keys}
    return PushRow.account.in_(accounts), PushRow.dedup.in_(dedups)


def stored_in(connection: Connection, some: Sequence[Push]) -> Sequence[Due]:
    """Return *some* pushes of the same transaction as they are stored."""
    keys = {(push.account, push.dedup) for push in some}
    query = selected(Due, PushRow).where(*_is_one_of(keys), PushRow.due_at.is_not(None))
    return every_row(connection, query.order_by(PushRow.id), Due) if keys else []


def _insert(connection: Connection, some: Sequence[Push]) -> None:
    facts: dict[tuple[bool, bool], list[dict[str, object]]] = {}
    for push in some:
        row: dict[str, object] = {name: getattr(push, name) for name in _AS_IT_IS}
        if push.happened_at is not None:
            row["happened_at"] = push.happened_at
        facts.setdefault((push.needs_handling, push.happened_at is not None), []).append(row)
    for kind, rows in facts.items():
        connection.execute(_STORE_BY[kind], rows)


_DUE = (
    selected(Due, PushRow)
    .where(PushRow.due_at <= database_now())
    .order_by(PushRow.id)
    .limit(bindparam("most"))
)
_ANY_DUE = select(PushRow.id).where(PushRow.due_at <= database_now()).limit(1)


@reading
def any_due(connection: Connection) -> bool:
    """Return whether a push waits to be handled."""
    return connection.scalar(_ANY_DUE) is not None


def reserve_due(engine: Engine, *, most: int) -> Sequence[Due]:
    """Reserve up to *most* due pushes, in the order of their receipt."""

    def work(connection: Connection) -> Sequence[Due]:
        # Another worker skips the rows, or waits and then sees that they are not due.
        locked = _DUE.with_for_update(skip_locked=skips_locked(connection))
        rows = every_row(connection, locked, Due, {"most": most})
        if rows:
            change_where(
                connection,
                PushRow,
                PushRow.id.in_([row.id for row in rows]),
                due_at=now(connection) + TAKEN_FOR,
            )
        return rows

    return write(engine, work) if any_due(engine) else []


#: What says of a follower whether anything may be sent to them.
_OF_A_FOLLOWER = or_(PushRow.action.is_not(None), PushRow.kind.in_([SUBSCRIBE, UNSUBSCRIBE]))


@reading
def of_followers(connection: Connection, account: str, *, after: int, most: int) -> Sequence[Due]:
    """Return opt-outs and follower changes of an account's waiting pushes behind *after*.

    Also what a worker has taken: what is handled twice changes nothing the second time.
    """
    query = (
        selected(Due, PushRow)
        .where(PushRow.due_at.is_not(None), PushRow.account == account, PushRow.id > after)
        .where(_OF_A_FOLLOWER)
        .order_by(PushRow.id)
        .limit(most)
    )
    return every_row(connection, query, Due)


def unapplied_in(connection: Connection, account: str) -> Sequence[str]:
    """Return OpenIDs of opt-outs that were tried in vain, and for which calls wait.

    Not of people who are suppressed by anything else, such as an operator's command. After
    :data:`MOST_TRIES_AWAITED` an opt-out is awaited no more.
    """
    is_suppressed = exists().where(
        Suppression.openid == PushRow.openid,
        Suppression.lifted_at.is_(None),
        Suppression.account.in_([account, ALL_ACCOUNTS]),
    )
    query = (
        select(PushRow.openid)
        .distinct()
        .where(PushRow.due_at.is_not(None), PushRow.account == account)
        .where(PushRow.action == Action.UNSUBSCRIBE, PushRow.openid.is_not(None))
        .where(PushRow.tries > 0, PushRow.tries < MOST_TRIES_AWAITED, ~is_suppressed)
        .order_by(PushRow.openid)
        .limit(MOST_SET_ASIDE)
    )
    return list(connection.scalars(query))


unapplied_opt_outs = reading(unapplied_in)


@writing
def mark_handled(connection: Connection, push_ids: Sequence[int]) -> None:
    """Mark pushes as handled."""
    mark_handled_in(connection, push_ids)


@writing
def mark_unread(connection: Connection, push_ids: Sequence[int]) -> None:
    """Mark pushes of erased people as handled, and forget from whom they came."""
    mark_unread_in(connection, push_ids)


def mark_unread_in(connection: Connection, push_ids: Sequence[int]) -> None:
    """Do the work of :func:`mark_unread` in a transaction of the caller's."""
    mark_handled_in(connection, push_ids, openid=None)


def mark_handled_in(connection: Connection, push_ids: Sequence[int], **forgotten: None) -> None:
    """Mark pushes as handled in a transaction of the caller's; clear what is *forgotten*."""
    handled = {"due_at": None, "handled_at": now(connection), "problem": None}
    change_where(connection, PushRow, PushRow.id.in_(push_ids), **handled, **forgotten)


@writing
def mark_failed(connection: Connection, taken: Due, problem: str) -> None:
    """Store why a push could not be handled; it is tried again after a growing pause, for ever.

    Calls wait for an opt-out, so it is tried each minute for an hour.
    """
    is_awaited = taken.action is Action.UNSUBSCRIBE and taken.tries < MOST_TRIES_AWAITED
    longest = LONGEST_PAUSE_AWAITED if is_awaited else LONGEST_PAUSE
    pause = min(FIRST_PAUSE * 2 ** min(taken.tries, 20), longest)
    connection.execute(
        update(PushRow)
        .filter_by(id=taken.id, handled_at=None)
        .values(
            tries=PushRow.tries + 1,
            due_at=now(connection) + pause,
            problem=problem[:_LONGEST_PROBLEM],
        )
    )


@writing
def set_aside(connection: Connection, taken: Due, problem: str) -> None:
    """Note why no try can handle a push: it is kept to be looked at, and never tried again."""
    connection.execute(
        update(PushRow)
        .filter_by(id=taken.id, handled_at=None)
        .values(tries=PushRow.tries + 1, due_at=None, problem=problem[:_LONGEST_PROBLEM])
    )


def forget(engine: Engine) -> int:
    """Remove some pushes that were handled, or set aside, long ago; return how many."""

    def settled_before(moment: datetime) -> ColumnElement[bool]:
        aside = and_(IS_SET_ASIDE, PushRow.received_at < moment)
        return or_(PushRow.handled_at < moment, aside)

    return transaction.forget(engine, PushRow, settled_before, most=_FORGOTTEN_AT_ONCE)


#: Most that are set aside and named one by one; the newest.
MOST_SET_ASIDE = 100


@frozen
class PushCounts:
    """Counts of the pushes of one account."""

    last_at: datetime
    #: How many were tried in vain and are tried again.
    unhandled: int = 0
    #: OpenIDs of the opt-outs among them for which calls wait.
    unapplied: Sequence[str] = ()
    #: How many no worker has tried yet, and when the first of them came.
    waiting: int = 0
    waiting_since: datetime | None = None
    #: How many are set aside, and when the last of them came.
    set_aside: int = 0
    set_aside_at: datetime | None = None
    #: The database's moment.
    now: datetime


@reading
def push_counts(connection: Connection, accounts: Iterable[str]) -> dict[str, PushCounts]:
    """Return the counts of these accounts, of those that got any push."""
    found = {}
    moment = now(connection)
    for account in accounts:
        last = select(func.max(PushRow.received_at)).filter_by(account=account)
        if (last_at := connection.scalar(last)) is None:
            continue
        due = (PushRow.due_at.is_not(None), PushRow.account == account)
        waiting, since, _ = _counted(connection, *due, PushRow.tries == 0)
        aside, _, aside_at = _counted(connection, IS_SET_ASIDE, PushRow.account == account)
        found[account] = PushCounts(
            last_at=last_at,
            unhandled=_counted(connection, *due, PushRow.tries > 0)[0],
            unapplied=unapplied_in(connection, account),
            waiting=waiting,
            waiting_since=since,
            set_aside=aside,
            set_aside_at=aside_at,
            now=moment,
        )
    return found


def _counted(
    connection: Connection, *which: ColumnElement[bool]
) -> tuple[int, datetime | None, datetime | None]:
    """Return how many there are, and when the first and the last of them came."""
    at = PushRow.received_at
    count, first, last = connection.execute(
        select(func.count(), func.min(at), func.max(at)).where(*which)
    ).one()
    return count, first, last


def pushes_set_aside(connection: Connection, account: str, within: Period) -> Sequence[SetAside]:
    """Return the pushes of an account that came then and that no try can handle, oldest first."""
    query = (
        selected(SetAside, PushRow)
        .where(PushRow.account == account, IS_SET_ASIDE)
        .where(PushRow.received_at >= within.since, PushRow.received_at < within.until)
        .order_by(PushRow.id.desc())
        .limit(MOST_SET_ASIDE)
    )
    return every_row(connection, query, SetAside)[::-1]


@writing
def note_refused(connection: Connection, account: str) -> None:
    """Write into the history that a request for *account* was signed with another token."""
    note(connection, EventKind.PUSH_REFUSED, who="callback", account=account)
