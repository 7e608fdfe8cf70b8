"""Flights: calls that are under way. No word of a person stops them; each ends by its reply."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, and_, func, select

from broadcast.reports import Report
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import reports
from models.ledger.transaction import read, snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A batch that was claimed, and of whose call nothing has been recorded yet."""

    account: str
    broadcast_id: str
    n: int
    size: int
    since: datetime


def beside_report(engine: Engine, broadcast_id: str) -> tuple[Report, list[Flight]]:
    """Return the report of a broadcast and its calls under way, of one and the same moment.

    A call that ends between two looks would be in neither. Raises UnknownIdError.
    """
    with snapshot(engine) as connection:
        told = reports.of(connection, broadcast_id)
        rows = connection.execute(_FLIGHTS.where(Batch.broadcast_id == broadcast_id)).mappings()
        return told, [Flight(**dict(row)) for row in rows]


def of_accounts(engine: Engine, accounts: Collection[str]) -> list[Flight]:
    """Return the calls of some accounts that are under way."""
    with read(engine) as connection:
        rows = connection.execute(_FLIGHTS.where(Batch.account.in_(accounts))).mappings()
        return [Flight(**dict(row)) for row in rows]


def waiting(engine: Engine, accounts: Collection[str]) -> dict[str, int]:
    """Count the broadcasts of some accounts that have more to be called and are not held still."""
    with read(engine) as connection:
        rows = connection.execute(
            select(BroadcastRow.account, func.count())
            .where(BroadcastRow.account.in_(accounts))
            .where(BroadcastRow.state.in_([BroadcastState.PLANNING, *BROADCAST_RUNNING]))
            .group_by(BroadcastRow.account)
        )
        return {account: count for account, count in rows}  # noqa: C416 - rows are not pairs to mypy


_FLIGHTS = (
    select(
        Batch.account, Batch.broadcast_id, Batch.n, Batch.size,
        AttemptRow.started_at.label("since"),
    )
    .join(
        AttemptRow, and_(AttemptRow.batch_id == Batch.id, AttemptRow.number == Batch.attempts)
    )
    .where(Batch.state == BatchState.CALLING)
    .order_by(Batch.account, Batch.broadcast_id, Batch.n)
)  # fmt: skip
