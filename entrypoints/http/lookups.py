"""Objects that a caller names: its broadcasts and accounts, cursors, numbers."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Final, TypeAlias

import orjson
from fastapi import Query

from broadcast.errors import SettingsError
from broadcast.rules.accounts import NAME, Account
from entrypoints.http.caller import Caller
from entrypoints.http.problems import ProblemError
from models.ledger.rows import known_accounts, locked_rows
from producer.request.shape import LONGEST_ACCOUNT

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,32}\Z")


def the_broadcast(caller: Caller, broadcast_id: str) -> str:
    """Return the account of a broadcast.

    Raises ProblemError where there is none, or where it is of an account that the key is not good
    for: nobody learns which.
    """
    account = None
    if _ID.match(broadcast_id):
        account = locked_rows.account_of(caller.engine, broadcast_id)
    if account is None or not caller.key.may_use(account):
        raise ProblemError("error.api.no_broadcast")
    return account


def the_account(caller: Caller, name: str | None, *, field: str) -> None:
    """Raise ProblemError for an account that nobody knows, or that the key is not good for.

    *field* is the parameter that names it; None: it names none.
    """
    if name is None:
        return
    # The ledger first: a slip in the settings keeps nobody from the kill switch.
    may = NAME.match(name) and caller.key.may_use(name)
    if may and (known_accounts.is_known(caller.engine, name) or account_of(caller, name)):
        return
    raise ProblemError("error.api.no_account", field=field)


def account_of(caller: Caller, name: str) -> Account | None:
    """Return an account of the settings; None where they lack it."""
    try:
        return caller.parts.settings.account(name)
    except SettingsError:
        return None


#: Rows of a page.
MOST: Final = 200
_LONGEST: Final = 200
#: Of whatever was stored; beyond them a moment may have no UTC.
_YEARS: Final = range(2001, 9999)

Limit: TypeAlias = Annotated[int, Query(ge=1, le=MOST)]
#: A refusal's id that a person confirmed.
Confirmed: TypeAlias = Annotated[str | None, Query(max_length=LONGEST_ACCOUNT)]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=_LONGEST)]
#: A moment, and an id among rows of that moment.
Place: TypeAlias = tuple[datetime, str]


def cursor_of(at: datetime, row_id: str) -> str:
    """Return the cursor behind a row."""
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), row_id])).decode()


def place_of(cursor: str | None) -> Place | None:
    """Return the place that a cursor stands for. Raises ProblemError."""
    if cursor is None:
        return None
    try:
        match orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii"))):
            case [str(at), str(last)] if last.isascii() and last.isprintable():
                moment = datetime.fromisoformat(at)
                # One without a zone is none of ours.
                if moment.tzinfo is not None and moment.year in _YEARS:
                    return moment, last
    except (ValueError, binascii.Error):
        pass
    raise ProblemError("error.api.cursor", field="cursor")


def number_of(cursor: str | None) -> int | None:
    """Return the number of a row that a cursor stands for. Raises ProblemError."""
    place = place_of(cursor)
    if place is None:
        return None
    digits = place[1]
    if digits.isdigit() and len(digits) <= _DIGITS:
        return int(digits)
    raise ProblemError("error.api.cursor", field="cursor")


#: Fewer than a BIGINT has.
_DIGITS: Final = 18
