"""Requests on their way to a worker: in an app's outbox, or in a queue.

An app writes requests in its own transaction, and workers submit them. Whatever is there and
committed is due: no number and no moment says up to where it was read, so that a transaction which
commits late is not passed over. A row that is submitted twice is one broadcast all the same, by its
key; so a worker that takes a row holds no lock on it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Executable,
    and_,
    func,
    insert,
    or_,
    select,
)

from broadcast.frozen import frozen
from broadcast.rules.dead_letters import Letter
from models.accounts import AccountRow
from models.base import Base, change_where, delete_where, insert_row, value_of
from models.box_tables import OutboxRow, QueueRow
from models.engine import database_now, is_long_past, now
from models.ledger.boxes import dead_letters
from models.ledger.rows.closed_gates import LANES_CLOSED
from models.ledger.rows.transaction import (
    every_row,
    first,
    read,
    reading,
    selected,
    writing,
    writing_new,
)

#: A worker that took a row and died leaves it to the others after this.
TAKEN_FOR: Final = timedelta(seconds=30)
#: So long a request waits, once seen, for a worker that has its account, where the ledger does not
#: know the account either: to replace all workers may take minutes.
STRAY_AFTER: Final = timedelta(minutes=10)
#: Not the class: a session may find its engines by classes, of which it knows its own.
_TABLE: Final = Base.metadata.tables[OutboxRow.__tablename__]


class AppTransaction(Protocol):
    """The app's own: a SQLAlchemy ``Session`` or ``Connection``."""

    def execute(self, statement: Executable, /) -> Any:
        """Run one statement."""


@frozen
class Posted:
    """A request that a worker has taken."""

    id: str
    who: str
    created_at: datetime
    body: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Itself: one keeps no other waiting."""
        return self.id


def post(transaction: AppTransaction, *, body: str, account: str | None, who: str) -> None:
    """Write a request; it counts if and when *transaction* is committed."""
    transaction.execute(
        insert(_TABLE).values(
            id=secrets.token_hex(16),
            account=account,
            who=who,
            body=body,
            created_at=database_now(),
            tries=0,
        )
    )


@reading
def any_due(connection: Connection) -> bool:
    """Return whether a request waits for any worker."""
    query = select(OutboxRow.id).where(_is_free(now(connection))).limit(1)
    return connection.scalar(query) is not None


def note_requests_elsewhere(engine: Engine, *, accounts: Collection[str], most: int) -> bool:
    """Return whether a request waits for workers with other accounts than *accounts*.

    Up to *most* that are new are noted as seen.
    """
    with read(engine) as connection:
        others = select(OutboxRow.id).where(_is_free(now(connection)), _is_of_others(accounts))
        found = connection.scalar(others.limit(1)) is not None
        unseen = connection.scalars(others.filter_by(seen_at=None).limit(most)).all()
    if unseen:
        _see(engine, unseen)
    return found


@writing
def _see(connection: Connection, row_ids: Sequence[str]) -> None:
    # By their ids: a search that locks would wait for what apps have not committed yet.
    change_where(
        connection,
        OutboxRow,
        OutboxRow.id.in_(row_ids),
        OutboxRow.seen_at.is_(None),
        seen_at=now(connection),
    )


@reading
def due(connection: Connection, *, accounts: Collection[str], most: int) -> Sequence[str]:
    """Return requests for whoever has *accounts*, those first that were tried least.

    Also those that nobody will take, which are to be refused.
    """
    moment = now(connection)
    return connection.scalars(
        select(OutboxRow.id)
        .where(_is_free(moment), or_(_is_of(accounts), _is_stray(moment)))
        .order_by(OutboxRow.tries, OutboxRow.created_at)
        .limit(most)
    ).all()


def _is_free(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody took it of late.

    Not of a database that was restored: what is here may have been submitted since.
    """
    return and_(is_long_past(OutboxRow.taken_at, moment, after=TAKEN_FOR), ~LANES_CLOSED)


@reading
def posted_before(connection: Connection, moment: datetime) -> Sequence[Posted]:
    """Return the requests that were written before a moment."""
    query = selected(Posted, OutboxRow).where(OutboxRow.created_at <= moment)
    return every_row(connection, query, Posted)


def _is_of(accounts: Collection[str]) -> ColumnElement[bool]:
    named = OutboxRow.account.in_(list(accounts))
    # Who has one account takes what names none.
    return or_(named, OutboxRow.account.is_(None)) if len(accounts) == 1 else named


def _is_of_others(accounts: Collection[str]) -> ColumnElement[bool]:
    named = OutboxRow.account.not_in(list(accounts))
    return named if len(accounts) == 1 else or_(named, OutboxRow.account.is_(None))


def _is_stray(moment: datetime) -> ColumnElement[bool]:
    known = select(AccountRow.name)
    return and_(
        OutboxRow.seen_at < moment - STRAY_AFTER,
        or_(OutboxRow.account.is_(None), OutboxRow.account.not_in(known)),
    )


@writing
def reserve_request(connection: Connection, row_id: str) -> Posted | None:
    """Reserve a request for this worker for a while; None where another was quicker."""
    moment = now(connection)
    taken = change_where(
        connection,
        OutboxRow,
        OutboxRow.id == row_id,
        _is_free(moment),
        taken_at=moment,
        tries=OutboxRow.tries + 1,
    )
    if not taken:
        return None
    query = selected(Posted, OutboxRow).filter_by(id=row_id)
    return first(connection, query, Posted)


@writing
def remove_request(connection: Connection, row_id: str) -> None:
    """Remove a request that is a broadcast now."""
    _remove(connection, row_id)


@writing_new
def move_to_dead_letters(connection: Connection, row_id: str, letter: Letter) -> str | None:
    """Move a request to the dead letters; return its id, None where another was quicker."""
    if not _remove(connection, row_id):
        return None
    return dead_letters.store_letter_in(connection, letter)


def _remove(connection: Connection, row_id: str) -> bool:
    return delete_where(connection, OutboxRow, OutboxRow.id == row_id) == 1


#: Workers need seconds.
LONG: Final = timedelta(minutes=1)


@frozen
class Waiting:
    """Requests that no worker has submitted for long."""

    count: int
    #: When the oldest was written.
    since: datetime
    now: datetime


@reading
def waiting_long(connection: Connection) -> Waiting | None:
    """Return what waits for long; None: nothing does."""
    moment = now(connection)
    count, since = connection.execute(
        select(func.count(), func.min(OutboxRow.created_at)).where(
            OutboxRow.created_at < moment - LONG
        )
    ).one()
    return Waiting(count=count, since=since, now=moment) if count else None


#: A moment that is newer than this is not written anew.
QUEUE_FOUND_EMPTY_EVERY: Final = timedelta(seconds=5)


def queue_empty_at(engine: Engine, broker: str, *, is_empty: Callable[[], bool]) -> datetime | None:
    """Return a moment before which whatever is in the queue of *broker* now was not sent.

    *is_empty* looks at the queue. None: nobody has found it empty yet. Raises OutOfReachError.
    """
    with read(engine) as connection:
        # Before the look: however long that takes, the queue was empty no earlier than this.
        moment = now(connection)
        known = value_of(connection, broker, QueueRow.empty_at)
    if not is_empty():
        return known
    # A database's clock may be set back.
    if known is None or abs(moment - known) >= QUEUE_FOUND_EMPTY_EVERY:
        _store_queue_empty_at(engine, broker, moment)
    return moment


@writing_new
def _store_queue_empty_at(connection: Connection, broker: str, moment: datetime) -> None:
    if not change_where(connection, QueueRow, QueueRow.broker == broker, empty_at=moment):
        insert_row(connection, QueueRow, broker=broker, empty_at=moment)
