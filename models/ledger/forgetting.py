"""What is settled stays in the ledger for a while, and is then removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, delete, select

from models.dead_letter import DeadLetterRow
from models.engine import now
from models.ledger.transaction import write
from models.push import PushRow
from models.webhook import WebhookRow

#: Of dead letters, pushes and webhooks. For a push it is longer than its signature is accepted, so
#: that one which somebody else repeats is known.
KEPT_FOR: Final = timedelta(days=30)
#: Rows of one transaction; a dead letter may have megabytes.
_AT_ONCE: Final = 200


def forget(
    engine: Engine,
    table: type[DeadLetterRow | PushRow | WebhookRow],
    settled_before: Callable[[datetime], ColumnElement[bool]],
    *,
    most: int = _AT_ONCE,
) -> int:
    """Remove up to *most* rows that were settled :data:`KEPT_FOR` ago; return how many."""

    def work(connection: Connection) -> int:
        old = select(table.id).where(settled_before(now(connection) - KEPT_FOR)).limit(most)
        ids = connection.scalars(old).all()
        if ids:
            connection.execute(delete(table).where(table.id.in_(ids)))
        return len(ids)

    return write(engine, work)
