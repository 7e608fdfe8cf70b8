"""Which accounts the ledger knows.

A name stands for one appid, and an appid for one name.

The clientmsgid of every batch belongs to the appid under which it was made. Another official
account does not know it: under a changed appid the repeat of a batch that may have been sent
would be a second send, to other people, and the halves of a batch would get keys of their own.
Under two names one official account would have two lanes, which call it at once and know nothing of
each other's broadcasts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, or_, select

from broadcast.errors import SettingsError
from broadcast.rules.accounts import Account
from broadcast.rules.states import OPEN_PHASES, BroadcastState, Phase
from models.accounts import AccountRow
from models.base import value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import reading


@reading
def is_known(connection: Connection, name: str) -> bool:
    """Return whether an account of this name was ever used."""
    return value_of(connection, name, AccountRow.name) is not None


@reading
def account_names(connection: Connection) -> list[str]:
    """Return the names of all accounts that were ever used."""
    return list(connection.scalars(select(AccountRow.name).order_by(AccountRow.name)))


@reading
def with_work(connection: Connection) -> list[str]:
    """Return the names of the accounts for which something is left to send or to ask WeChat for."""
    polled = exists().where(Batch.account == AccountRow.name, Batch.poll_at.is_not(None))
    mine = BroadcastRow.account == AccountRow.name
    sends = exists().where(mine, BroadcastRow.phase.in_(OPEN_PHASES))
    held = exists().where(
        mine, BroadcastRow.phase == Phase.ENDED, BroadcastRow.result == BroadcastState.HELD
    )
    found = select(AccountRow.name).where(sends | held | polled).order_by(AccountRow.name)
    return list(connection.scalars(found))


def check_unchanged(connection: Connection, account: Account) -> bool:
    """Return whether the ledger knows *account*.

    Raises SettingsError if the ledger has its name with another appid, or its appid under an older
    name, and DatabaseAwayError.
    """
    whose = {"name": account.name, "appid": account.appid}
    rows = connection.execute(_NAMED_ALIKE, whose).all()
    row = next((one for one in rows if one.name == account.name), None)
    if row is not None and row.appid != account.appid:
        raise SettingsError(
            "error.settings.appid_changed",
            account=account.name,
            appid=account.appid,
            stored=row.appid,
        )
    _check_no_older(rows, account, since=row.created_at if row is not None else None)
    return row is not None


check_account = reading(check_unchanged)

# Built once: building a statement costs more than running it, and each submit runs this one.
_NAMED_ALIKE = (
    select(AccountRow.name, AccountRow.appid, AccountRow.created_at)
    .where(or_(AccountRow.name == bindparam("name"), AccountRow.appid == bindparam("appid")))
    .order_by(AccountRow.created_at, AccountRow.name)
)


def check_no_other_name(connection: Connection, account: Account) -> None:
    """Raise SettingsError if the appid of a new account has another name already."""
    query = (
        select(AccountRow.name, AccountRow.appid, AccountRow.created_at)
        .filter_by(appid=account.appid)
        .order_by(AccountRow.created_at, AccountRow.name)
    )
    # With a lock: on MariaDB this waits for the rows of others that are not committed yet.
    _check_no_older(connection.execute(query.with_for_update()), account, since=None)


def _check_no_older(rows: Iterable[Any], account: Account, *, since: datetime | None) -> None:
    """Raise SettingsError if an appid has an older name than that which it has *since* then."""
    for other in rows:
        if other.name == account.name:
            continue
        if since is None or (other.created_at, other.name) < (since, account.name):
            raise SettingsError(
                "error.settings.appid_renamed",
                account=account.name,
                stored=other.name,
                appid=account.appid,
            )


def register_account(connection: Connection, account: Account) -> None:
    """Insert the rows of the account, unless it has them.

    Raises what :func:`check_account` does.

    Of two processes that meet one appid under two new names at once, one waits for the other.
    """
    if check_unchanged(connection, account):
        return
    if lane_rows.ensure_lane(connection, account):
        check_no_other_name(connection, account)
    # Met by another process at the same moment, perhaps with another appid.
    check_unchanged(connection, account)
