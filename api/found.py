"""A broadcast that a caller names: theirs, or there is none."""

from __future__ import annotations

import re
from typing import Final

from api.caller import Caller
from api.problems import ProblemError
from models.ledger.reading import ids

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
