"""What an operator sees of WeChat's pushes: whether they come, and what was not handled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from broadcast.frozen import frozen
from broadcast.jobs import Stretch
from broadcast.reconcile import SetAside
from models.engine import now
from models.ledger.rows import columns, every
from models.ledger.transaction import read
from models.push import IS_SET_ASIDE, PushRow

#: Most that are set aside and named one by one; the newest.
MOST = 100


@frozen
class Heard:
    """The pushes of one account."""

    last_at: datetime
    #: How many were tried in vain and are tried again.
    unhandled: int = 0
    #: How many no worker has tried yet, and when the first of them came.
    waiting: int = 0
    waiting_since: datetime | None = None
    #: How many are set aside, and when the last of them came.
    set_aside: int = 0
    set_aside_at: datetime | None = None
    #: The database's moment.
    now: datetime


def heard(engine: Engine, accounts: Iterable[str]) -> dict[str, Heard]:
    """Return the pushes of these accounts, of those that got any."""
    found = {}
    with read(engine) as connection:
        moment = now(connection)
        for account in accounts:
            last = select(func.max(PushRow.received_at)).where(PushRow.account == account)
            if (last_at := connection.scalar(last)) is None:
                continue
            due = (PushRow.due_at.is_not(None), PushRow.account == account)
            waiting, since, _ = _counted(connection, *due, PushRow.tries == 0)
            aside, _, aside_at = _counted(connection, IS_SET_ASIDE, PushRow.account == account)
            found[account] = Heard(
                last_at=last_at, unhandled=_counted(connection, *due, PushRow.tries > 0)[0],
                waiting=waiting, waiting_since=since, set_aside=aside, set_aside_at=aside_at,
                now=moment,
            )  # fmt: skip
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


def set_aside(connection: Connection, account: str, within: Stretch) -> Sequence[SetAside]:
    """Return the pushes of an account that came then and that no try can handle, oldest first."""
    query = (
        select(*columns(SetAside, PushRow))
        .where(PushRow.account == account, IS_SET_ASIDE)
        .where(PushRow.received_at >= within.since, PushRow.received_at < within.until)
        .order_by(PushRow.id.desc())
        .limit(MOST)
    )
    return every(connection, query, SetAside)[::-1]
