"""A broadcast held still while a person's word on it is carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine, select

from broadcast.events import EventKind
from broadcast.reports import Did
from broadcast.states import BroadcastState
from models.broadcast import BroadcastRow
from models.ledger import lanes
from models.ledger.reading import reports
from models.ledger.transaction import AnyRow, note, write

T = TypeVar("T")


def on(engine: Engine, broadcast_id: str, work: Callable[[Connection, AnyRow], T]) -> T:
    """Run *work* with the broadcast as it stands, in one transaction.

    The lane's row is taken first, as claims do: after the commit no new call starts that the word
    forbids. Raises UnknownIdError, naming near ids.
    """

    def locked(connection: Connection) -> T:
        account = connection.scalar(
            select(BroadcastRow.account).where(BroadcastRow.id == broadcast_id)
        )
        if account is None:
            raise reports.unknown(connection, broadcast_id)
        lanes.hold(connection, account)
        row = connection.execute(
            select(
                BroadcastRow.id, BroadcastRow.state, BroadcastRow.started_at,
                BroadcastRow.scheduled_at, BroadcastRow.account, BroadcastRow.cancelled_at,
                BroadcastRow.reason, BroadcastRow.reason_errcode,
            )
            .where(BroadcastRow.id == broadcast_id)
            .with_for_update()
        ).one()  # fmt: skip
        if row.state is BroadcastState.UPLOADING:
            raise reports.unknown(connection, broadcast_id)
        return work(connection, row)

    return write(engine, locked)


def write_down(
    connection: Connection,
    broadcast_id: str,
    did: Did,
    *,
    who: str,
    why: str | None,
    **facts: object,
) -> None:
    """Write the word itself into the history, once, beside the moves that came of it."""
    note(
        connection, EventKind.BROADCAST_WORD, who=who, why=why, broadcast_id=broadcast_id, did=did,
        **facts,
    )  # fmt: skip
