"""When workers last found a queue empty: what comes from it later was sent after that moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, insert, select, update

from models.engine import now
from models.ledger.transaction import read, write_new
from models.queue import QueueRow

#: A moment that is newer than this is not written anew.
EVERY: Final = timedelta(seconds=5)


def empty_at(engine: Engine, broker: str, *, is_empty: Callable[[], bool]) -> datetime | None:
    """Return a moment before which whatever is in the queue of *broker* now was not sent.

    *is_empty* looks at the queue. None: nobody has found it empty yet. Raises OutOfReachError.
    """
    with read(engine) as connection:
        # Before the look: however long that takes, the queue was empty no earlier than this.
        moment = now(connection)
        query = select(QueueRow.empty_at).where(QueueRow.broker == broker)
        known = connection.scalar(query)
    if not is_empty():
        return known
    # A database's clock may be set back.
    if known is None or abs(moment - known) >= EVERY:
        write_new(engine, lambda connection: _keep(connection, broker, moment))
    return moment


def _keep(connection: Connection, broker: str, moment: datetime) -> None:
    changed = connection.execute(
        update(QueueRow).where(QueueRow.broker == broker).values(empty_at=moment)
    )
    if not changed.rowcount:
        connection.execute(insert(QueueRow).values(broker=broker, empty_at=moment))
