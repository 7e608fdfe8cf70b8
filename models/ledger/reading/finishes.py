"""Finish events as they are read: WeChat's counts of broadcasts, and what ended each batch.

An event is a batch's if that batch has its msg_id. Of a batch in doubt none counts: nobody knows
yet whether that job is its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from broadcast.finish import Article, Copyright, Counts, FinishEvent
from broadcast.frozen import frozen
from models.batch import Batch
from models.finish import IS_OF_BATCH, Finish
from models.ledger.rows import columns, every, first
from models.ledger.transaction import read


@frozen
class Row:
    """An event as it is stored."""

    msg_id: int
    status: str
    total: int | None
    eligible: int | None
    sent: int | None
    errors: int | None
    articles: str
    copyright: str
    check_state: int | None
    created_at: datetime | None
    received_at: datetime

    @property
    def ended_at(self) -> datetime:
        """When WeChat says that the job ended; without its time, when that came."""
        return self.created_at or self.received_at

    def event(self) -> FinishEvent:
        """Return it as it was pushed; without WeChat's time it has that of its arrival."""
        return FinishEvent(
            msg_id=self.msg_id, status=self.status,
            counts=Counts(
                total=self.total, eligible=self.eligible, sent=self.sent, errors=self.errors
            ),
            articles=tuple(Article(**one) for one in json.loads(self.articles)),
            copyright=tuple(Copyright(**one) for one in json.loads(self.copyright)),
            check_state=self.check_state, created_at=self.ended_at,
        )  # fmt: skip


@frozen
class _OfBatch(Row):
    """The event of a batch."""

    n: int


def of_job(engine: Engine, account: str, msg_id: int) -> FinishEvent | None:
    """Return the finish event of a job of an account, whoever began it."""
    with read(engine) as connection:
        row = row_of_job(connection, account, msg_id)
    return None if row is None else row.event()


def row_of_job(connection: Connection, account: str, msg_id: int) -> Row | None:
    """Return the same as it is stored."""
    query = select(*columns(Row, Finish)).where(Finish.account == account, Finish.msg_id == msg_id)
    return first(connection, query, Row)


def of_batches(connection: Connection, broadcast_id: str) -> Mapping[int, FinishEvent]:
    """Return the finish event of each batch that has one, by the batch's number."""
    query = (
        select(*columns(_OfBatch, Finish, "n"), Batch.n)
        .join(Batch, IS_OF_BATCH)
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(Batch.n)
    )
    return {row.n: row.event() for row in every(connection, query, _OfBatch)}
