"""Known accounts: every first use of an account gives it its rows."""

from __future__ import annotations

from sqlalchemy import Connection

from broadcast.accounts import Account
from models.ledger import lanes
from models.ledger.reading import known


def meet(connection: Connection, account: Account) -> None:
    """Make sure that the account has its rows.

    Raises what :func:`models.ledger.reading.known.check` does.

    Of two processes that meet one appid under two new names at once, one waits for the other.
    """
    if known.refuse_changed(connection, account):
        return
    if lanes.know(connection, account):
        known.refuse_another_name(connection, account)
    # Met by another process at the same moment, perhaps with another appid.
    known.refuse_changed(connection, account)
