"""A broadcast or an account that a caller names: theirs, or there is none."""

from __future__ import annotations

import re
from typing import Final

from api.caller import Caller
from api.problems import ProblemError
from broadcast.accounts import NAME, Account
from broadcast.errors import SettingsError
from models.ledger.reading import ids, known

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,32}\Z")


def the_broadcast(caller: Caller, broadcast_id: str) -> str:
    """Return the account of a broadcast.

    Raises ProblemError where there is none, or where it is of an account that the key is not good
    for: nobody learns which.
    """
    account = None
    if _ID.match(broadcast_id):
        account = ids.account_of(caller.parts.engine, broadcast_id)
    if account is None or not caller.key.may_use(account):
        raise ProblemError(404, "error.api.no_broadcast")
    return account


def the_account(caller: Caller, name: str, *, field: str) -> None:
    """Raise ProblemError for an account that nobody knows, or that the key is not good for.

    *field* is the parameter that names it.
    """
    # The ledger first: a slip in the settings keeps nobody from the kill switch.
    may = NAME.match(name) and caller.key.may_use(name)
    if may and (known.is_known(caller.parts.engine, name) or account_of(caller, name)):
        return
    raise ProblemError(404, "error.api.no_account", field=field)


def account_of(caller: Caller, name: str) -> Account | None:
    """Return an account of the settings; None where they lack it."""
    try:
        return caller.parts.settings.account(name)
    except SettingsError:
        return None
