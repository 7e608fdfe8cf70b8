"""Accounts: one that has changed is stopped; a replaced access_token stands in its history."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select

from broadcast.events import EventKind
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from models.account import Lane
from models.ledger import gates, lanes
from models.ledger.gates import Closing
from models.ledger.transaction import WORKER, note, write


def stop(engine: Engine, account: str) -> bool:
    """Stop an account whose appid is refused; return whether it was open until now.

    False as well for an account that has no lane.
    """

    def work(connection: Connection) -> bool:
        if connection.scalar(select(Lane.account).where(Lane.account == account)) is None:
            return False
        lanes.hold(connection, account)
        changed = Closing(kind=GateKind.STOP, who=WORKER, reason=Reason.APPID_CHANGED)
        return gates.close(connection, account, changed)

    return write(engine, work)


def note_drift(engine: Engine, account: str, *, who: str = WORKER) -> None:
    """Write into the history that the access_token was replaced outside this system."""
    write(
        engine, lambda connection: note(connection, EventKind.TOKEN_DRIFT, who=who, account=account)
    )
