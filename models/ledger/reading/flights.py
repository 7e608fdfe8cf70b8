"""Flights: calls that are under way. No word of a person stops them; each ends by its reply."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select

from broadcast.reports import Report
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
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
    #: Whether its driver still holds the lane. One who lost it may be gone for good, or may bring
    #: the reply late; until somebody takes the lane over nobody asks WeChat what became of it.
    driven: bool


def beside_report(engine: Engine, broadcast_id: str) -> tuple[Report, list[Flight]]:
    """Return the report of a broadcast and its calls under way, of one and the same moment.

    A call that ends between two looks would be in neither. Raises UnknownIdError.
    """
    with snapshot(engine) as connection:
        told = reports.of(connection, broadcast_id)
        return told, _flights(connection, Batch.broadcast_id == broadcast_id, told.now)


def of_accounts(engine: Engine, accounts: Collection[str]) -> list[Flight]:
    """Return the calls of some accounts that are under way."""
    with read(engine) as connection:
        return _flights(connection, Batch.account.in_(accounts), now(connection))


def _flights(connection: Connection, whose: ColumnElement[bool], moment: datetime) -> list[Flight]:
    return [
        Flight(
            account=row.account, broadcast_id=row.broadcast_id, n=row.n, size=row.size,
            since=row.since,
            driven=bool(row.his and row.leased_until and row.leased_until > moment),
        )
        for row in connection.execute(_FLIGHTS.where(whose))
    ]  # fmt: skip


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
        AttemptRow.started_at.label("since"), Lane.leased_until,
        (Lane.fence == AttemptRow.fence).label("his"),
    )
    .join(
        AttemptRow, and_(AttemptRow.batch_id == Batch.id, AttemptRow.number == Batch.attempts)
    )
    .join(Lane, Lane.account == Batch.account)
    .where(Batch.state == BatchState.CALLING)
    .order_by(Batch.account, Batch.broadcast_id, Batch.n)
)  # fmt: skip
