"""Accounts: the ledger meets one that is new, and stops one that has changed."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from broadcast.accounts import Account
from broadcast.call.attempts import Reason
from broadcast.events import EventKind
from models.ledger import lanes, stops
from models.ledger.reading import known
from models.ledger.transaction import WORKER, note, write


def meet(connection: Connection, account: Account) -> None:
    """Make sure that the account has its rows, and raise what :func:`.known.check` does.

    Of two processes that meet one appid under two new names at once, one waits for the other.
    """
    if lanes.know(connection, account):
        known.refuse_another_name(connection, account, since=None, hold=True)
    known.refuse_changed(connection, account)


def stop(engine: Engine, account: str) -> bool:
    """Stand the lane still of an account whose appid is refused; return whether it went until now.

    False as well for an account that has no lane.
    """

    def work(connection: Connection) -> bool:
        return stops.stop(
            connection, account, reason=Reason.APPID_CHANGED, errcode=None, errmsg=None
        )

    return write(engine, work)


def note_drift(engine: Engine, account: str, *, who: str = WORKER) -> None:
    """Write into the history that the access_token was replaced outside this system."""
    write(
        engine, lambda connection: note(connection, EventKind.TOKEN_DRIFT, who=who, account=account)
    )
