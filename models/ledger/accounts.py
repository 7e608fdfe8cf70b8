"""Accounts as the ledger knows them: a name stands for one appid, for ever.

The clientmsgid of every batch belongs to the appid under which it was made. Another official
account has never heard of it: under a changed appid the repeat of a batch that may have been sent
would be a second send, to other people, and the halves of a batch would get keys of their own.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select

from broadcast.accounts import Account
from broadcast.attempts import Reason
from broadcast.errors import SettingsError
from models.account import AccountRow, Lane
from models.ledger import stops
from models.ledger.transaction import note, read, write


def check(engine: Engine, account: Account) -> bool:
    """Return whether the ledger knows *account*.

    Raises SettingsError if the ledger has its name with another appid, and DatabaseAwayError.
    """
    with read(engine) as connection:
        return refuse_changed(connection, account)


def is_known(engine: Engine, name: str) -> bool:
    """Return whether an account of this name was ever used."""
    with read(engine) as connection:
        found = connection.scalar(select(AccountRow.name).where(AccountRow.name == name))
    return found is not None


def names(engine: Engine) -> list[str]:
    """Return the names of all accounts that were ever used."""
    with read(engine) as connection:
        return list(connection.scalars(select(AccountRow.name).order_by(AccountRow.name)))


def refuse_changed(connection: Connection, account: Account) -> bool:
    """Do the work of :func:`check` inside a transaction."""
    appid = connection.scalar(select(AccountRow.appid).where(AccountRow.name == account.name))
    if appid is not None and appid != account.appid:
        raise SettingsError(
            "error.settings.appid_changed", account=account.name, appid=account.appid, stored=appid
        )
    return appid is not None


def stop(engine: Engine, account: str) -> bool:
    """Stand the lane of an account with a changed appid still; return whether it went until now."""

    def work(connection: Connection) -> bool:
        stands = connection.execute(
            select(Lane.stopped_at).where(Lane.account == account).with_for_update()
        ).scalar_one()
        if stands is None:
            stops.stop(connection, account, reason=Reason.APPID_CHANGED, errcode=None, errmsg=None)
        return stands is None

    return write(engine, work)


def note_drift(engine: Engine, account: str, *, who: str = "worker") -> None:
    """Write into the history that the access_token was replaced outside this system."""
    write(engine, lambda connection: note(connection, "token.drift", who=who, account=account))
