"""Notices to people's chats: added with what they report, then tried until each receiver has them.

Receivers are known by name here; the settings have their URLs. A worker takes a receiver for a
while, and posts what is due to it outside of any transaction. One that dies meanwhile leaves it to
the others, so a line may be said twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, Engine, Select, select

from broadcast.message import Message
from broadcast.rules import webhooks
from broadcast.rules.calls.waits import Waits
from broadcast.rules.notices import PACE, Notice
from broadcast.rules.states import NoticeState
from models.base import change, change_where, insert_row
from models.engine import database_now, now, skips_locked
from models.ledger.rows.transaction import every_row, read, reading, selected, write, writing
from models.notice_tables import NoticeReceiverRow, NoticeRow


def add(
    connection: Connection,
    *,
    kind: str,
    account: str | None,
    subject: str,
    key: str,
    state: NoticeState = NoticeState.WAITING,
    **facts: object,
) -> None:
    """Add the notice of the text ``notice.KIND`` for all receivers, in the caller's transaction.

    *subject*: the id or the name of what it is about. A fact ``lines`` is a list of messages that
    follow, the last with the command that goes on. *key* says what it reports, in 128
    characters at most: what has a notice already gets no other. Where nobody is a receiver nothing
    is stored. The caller's lock keeps two transactions from adding one key at once; the second one
    raises IntegrityError.
    """
    if connection.scalar(select(NoticeRow.id).filter_by(key=key).limit(1)) is not None:
        return
    message = Message(f"notice.{kind}", account=account, subject=subject, **facts)
    moment = now(connection)
    values = {
        "key": key,
        "message": message,
        "state": state,
        "tries": 0,
        "since": moment,
        "due_at": moment if state is NoticeState.WAITING else None,
    }
    for name in receivers(connection):
        insert_row(connection, NoticeRow, receiver=name, **values)


def receivers(connection: Connection) -> Sequence[str]:
    """Return the names of the receivers."""
    return connection.scalars(select(NoticeReceiverRow.name)).all()


registered = reading(receivers)


_NOTICES: Final = selected(Notice, NoticeRow).order_by(NoticeRow.id)
_IS_DUE: Final = NoticeRow.due_at <= database_now()
#: Of one receiver so many are taken at once; one post says as many of them as it has room for.
_AT_ONCE: Final = 20


def _due(names: Collection[str]) -> Select[str]:
    """Return the query for a receiver of these *names* to which something may be posted now."""
    waits = NoticeReceiverRow.name.in_(select(NoticeRow.receiver).where(_IS_DUE))
    may = NoticeReceiverRow.name.in_(names), NoticeReceiverRow.next_at <= database_now()
    query = select(NoticeReceiverRow.name).where(*may, waits)
    return query.order_by(NoticeReceiverRow.next_at).limit(1)


def reserve(engine: Engine, names: Collection[str], *, put_off: timedelta) -> Sequence[Notice]:
    """Reserve one receiver of these *names*, and return what is due to it, oldest first.

    Empty: nothing is. Nobody else posts to it for *put_off*, unless what came of it is recorded.
    """

    def work(connection: Connection) -> Sequence[Notice]:
        name = connection.scalar(_due(names).with_for_update(skip_locked=skips_locked(connection)))
        mine = _NOTICES.where(NoticeRow.receiver == name, _IS_DUE).limit(_AT_ONCE)
        due = every_row(connection, mine, Notice)
        change(connection, NoticeReceiverRow, name, next_at=now(connection) + put_off)
        return due

    with read(engine) as connection:
        found = connection.scalar(_due(names))
    return () if found is None else write(engine, work)


@writing
def record(
    connection: Connection,
    some: Collection[Notice],
    state: NoticeState,
    *,
    waits: Waits,
    problem: Message | None = None,
    again: timedelta = timedelta(0),
) -> None:
    """Record what came of notices to one receiver, which rests for a moment now.

    With WAITING they are tried again, for a day in all. With SENT those that ask for a person wait
    as well, also beyond that day: they are posted again after *again*, if that is not 0, until a
    person acts. Workers of before end that. What another worker recorded meanwhile stays.
    """
    moment = now(connection)
    for name in {one.receiver for one in some}:
        change(connection, NoticeReceiverRow, name, next_at=moment + waits.scaled(PACE))
    for one in some:
        end, due_at = state, None
        if state is NoticeState.WAITING:
            due_at = webhooks.next_try(one.tries + 1, now=moment, since=one.since, waits=waits)
            if due_at is None and one.was_posted:
                due_at = one.again_at(moment, again=waits.scaled(again))
            end = state if due_at else NoticeState.GIVEN_UP
        elif state is NoticeState.SENT:
            due_at = one.again_at(moment, again=waits.scaled(again))
            end = NoticeState.WAITING if due_at else state
        mine = NoticeRow.id == one.id, NoticeRow.state == NoticeState.WAITING
        tries = one.tries + (state is not NoticeState.PASSED)
        values = {
            "state": end,
            "due_at": due_at,
            "problem": problem,
            "tries": tries,
            "posted_at": moment if state is NoticeState.SENT else one.posted_at,
        }
        change_where(connection, NoticeRow, *mine, **values)


@reading
def newest(connection: Connection, states: Collection[NoticeState], most: int) -> Sequence[Notice]:
    """Return the newest notices in one of *states*, newest first."""
    query = _NOTICES.where(NoticeRow.state.in_(states)).order_by(None)
    return every_row(connection, query.order_by(NoticeRow.id.desc()).limit(most), Notice)


@writing
def retry_given_up(connection: Connection) -> int:
    """Have all notices that were given up tried anew for a day; return how many.

    Those of receivers that were taken out are passed over: nobody would post them.
    """
    moment, lost = now(connection), NoticeRow.state == NoticeState.GIVEN_UP
    gone = NoticeRow.receiver.not_in(select(NoticeReceiverRow.name))
    change_where(connection, NoticeRow, lost, gone, state=NoticeState.PASSED)
    anew = {"state": NoticeState.WAITING, "tries": 0, "since": moment, "due_at": moment}
    return change_where(connection, NoticeRow, lost, **anew)


@writing
def acknowledge(connection: Connection, subject: str | None) -> int:
    """End the posts of the notices about *subject* (None: of all) that ask for a person.

    Return how many notices there were, each of one receiver.
    """
    waiting = every_row(connection, _NOTICES.filter_by(state=NoticeState.WAITING), Notice)
    mine = [one for one in waiting if one.asks_for_a_person and subject in {None, one.subject}]
    for one in mine:
        end = NoticeState.SENT if one.was_posted else NoticeState.PASSED
        change(connection, NoticeRow, one.id, state=end, due_at=None)
    return len(mine)
