"""Commands on a broadcast: its lane is held while they are carried out; a person's are logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine, select, true

from broadcast.events import EventKind
from broadcast.reports import Did
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.ledger import lanes
from models.ledger.reading import held_rows, ids
from models.ledger.rows import HeldBroadcast
from models.ledger.transaction import note, write

T = TypeVar("T")


def run(
    engine: Engine,
    broadcast_id: str,
    work: Callable[[Connection, HeldBroadcast], T],
    *,
    uploading: bool = False,
) -> T:
    """Run *work* with the broadcast as it stands, in one transaction.

    The lane's row is taken first, as claims do: after the commit no new call starts that the
    command forbids. *uploading*: its list may still be to come; else ConflictError is raised where
    it is. Raises UnknownIdError, naming near ids.
    """

    def locked(connection: Connection) -> T:
        account = connection.scalar(
            select(BroadcastRow.account)
            .where(BroadcastRow.id == broadcast_id)
            .where(true() if uploading else BroadcastRow.phase != Phase.UPLOADING)
        )
        if account is None:
            raise ids.not_stored(connection, broadcast_id)
        lanes.hold(connection, account)
        return work(connection, held_rows.broadcast(connection, broadcast_id))

    return write(engine, locked)


def log_action(
    connection: Connection,
    broadcast: HeldBroadcast,
    did: Did,
    *,
    who: str,
    why: str | None,
    **facts: object,
) -> None:
    """Write the command itself into the history, once, beside the moves that came of it."""
    note(
        connection, EventKind.OPERATOR_ACTION, who=who, why=why, broadcast_id=broadcast.id, did=did,
        **facts,
    )  # fmt: skip
