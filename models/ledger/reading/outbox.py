"""What waits in the outbox, as people look at it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, func, select

from broadcast.frozen import frozen
from models.engine import now
from models.ledger.transaction import read
from models.outbox import OutboxRow

#: Workers need seconds.
LONG: Final = timedelta(minutes=1)


@frozen
class Waiting:
    """Requests that no worker has submitted for long."""

    count: int
    #: When the oldest was written.
    since: datetime
    now: datetime


def waiting_long(engine: Engine) -> Waiting | None:
    """Return what waits for long; None: nothing does."""
    with read(engine) as connection:
        moment = now(connection)
        count, since = connection.execute(
            select(func.count(), func.min(OutboxRow.created_at))
            .where(OutboxRow.created_at < moment - LONG)
        ).one()  # fmt: skip
    return Waiting(count=count, since=since, now=moment) if count else None
