"""A broadcast that is named by another's exclusion: it must say who got it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine

from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.errors import InputError, UnknownIdError
from broadcast.states import Phase
from models.ledger.reading import reports

#: Signs that differ in an id that is mistyped.
_A_SLIP: Final = 2


def refuse_what_lists_nobody(
    engine: Engine, account: Account, broadcast_id: str, *, field: str = "exclude"
) -> None:
    """Raise InputError unless this is a broadcast to a list of the same account, and has that list.

    *field*: where it is named. Raises UnknownIdError where there is none.
    """
    try:
        report = reports.report(engine, broadcast_id, whole=False)
    except UnknownIdError as error:
        problem = _not_there(broadcast_id, near=str(error.facts.get("near", "")).split(", "))
        raise problem from None
    if report.account != account.name:
        raise InputError(
            "error.exclude.other_account", id=broadcast_id, other=report.account,
            account=account.name,
        )  # fmt: skip
    if report.path is SendPath.SENDALL:
        raise InputError("error.exclude.no_list", id=broadcast_id)
    if report.phase is Phase.UPLOADING:
        raise InputError("error.exclude.awaited", id=broadcast_id, field=field)


def _not_there(broadcast_id: str, *, near: Sequence[str]) -> UnknownIdError:
    """Return the refusal; an id of another day is no slip, and whoever took it would be resent."""
    slips = [one for one in near if _apart(one, broadcast_id) <= _A_SLIP]
    if slips:
        return UnknownIdError(
            "error.broadcast.unknown_near", id=broadcast_id, near=", ".join(slips), field="exclude"
        )
    return UnknownIdError("error.broadcast.unknown", id=broadcast_id, field="exclude")


def _apart(one: str, other: str) -> int:
    """Return how many signs must be changed, left out or added to make *other* of *one*."""
    row = list(range(len(other) + 1))
    for n, sign in enumerate(one, start=1):
        before, row[0] = row[0], n
        for m, wanted in enumerate(other, start=1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (sign != wanted))
    return row[-1]
