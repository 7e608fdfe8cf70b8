"""Accounts: the ledger meets one that is new, and stops one that has changed."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select

from broadcast.accounts import Account
from broadcast.events import EventKind
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from models.account import Lane
from models.ledger import gates, lanes
from models.ledger.gates import Closing
from models.ledger.reading import known
from models.ledger.transaction import WORKER, note, write


def meet(connection: Connection, account: Account) -> None:
    """Make sure that the account has its rows, and raise what :func:`.known.check` does.

    Of two processes that meet one appid under two new names at once, one waits for the other.
    """
    if known.refuse_changed(connection, account):
        return
    if lanes.know(connection, account):
        known.refuse_another_name(connection, account)
    # Met by another process at the same moment, perhaps with another appid.
    known.refuse_changed(connection, account)


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
