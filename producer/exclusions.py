"""A broadcast that is named by another's exclusion: it must say who got it."""

from __future__ import annotations

from sqlalchemy import Engine

from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.errors import InputError, UnknownIdError
from models.ledger.reading import reports


def refuse_what_lists_nobody(engine: Engine, account: Account, broadcast_id: str) -> None:
    """Raise InputError unless this is a broadcast to a list of the same account.

    Raises UnknownIdError where there is none.
    """
    try:
        report = reports.report(engine, broadcast_id, whole=False)
    except UnknownIdError as error:
        # Elsewhere the same error is about no request.
        raise UnknownIdError(error.message_id, **error.facts, field="exclude") from None
    if report.account != account.name:
        raise InputError(
            "error.exclude.other_account", id=broadcast_id, other=report.account,
            account=account.name,
        )  # fmt: skip
    if report.path is SendPath.SENDALL:
        raise InputError("error.exclude.no_list", id=broadcast_id)
