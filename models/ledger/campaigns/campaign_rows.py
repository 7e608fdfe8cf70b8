"""Campaigns as they are stored."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, RowMapping

from broadcast.errors import UnknownIdError
from broadcast.quoting import quoted
from broadcast.rules.campaigns.campaign import Campaign, load
from models.campaign_tables import CampaignRow
from models.ledger.rows.transaction import reading, selected

_SHOWN: Final = 64


@reading
def named(connection: Connection, name: str) -> Campaign:
    """Return the campaign of this name. Raises UnknownIdError, with names that are near."""
    return named_in(connection, name)


def named_in(connection: Connection, name: str, *, lock: bool = False) -> Campaign:
    """Return the campaign of this name, as :func:`named`; *lock* its row until the commit."""
    found = some(connection, CampaignRow.used_name == name, lock=lock)
    if not found:
        raise _unknown(connection, name)
    return found[0]


@reading
def every(connection: Connection) -> Sequence[Campaign]:
    """Return the campaigns that were not removed, by their names."""
    return some(connection, CampaignRow.used_name.is_not(None))


def some(
    connection: Connection, where: ColumnElement[bool], *, lock: bool = False
) -> Sequence[Campaign]:
    """Return campaigns by their names; *lock* their rows until the commit."""
    query = _EVERY.where(where)
    rows = connection.execute(query.with_for_update() if lock else query).mappings()
    return [_read(row) for row in rows]


def readable(connection: Connection, where: ColumnElement[bool]) -> Iterator[Campaign]:
    """Yield campaigns by their names, but for those whose plan a newer release wrote."""
    for row in connection.execute(_EVERY.where(where)).mappings():
        # That it cannot be read is said where its times are decided.
        with contextlib.suppress(ValidationError):
            yield _read(row)


_EVERY: Final = selected(Campaign, CampaignRow).order_by(CampaignRow.name)


def _read(row: RowMapping) -> Campaign:
    return Campaign(**{**row, "plan": load(row["plan"])})


def _unknown(connection: Connection, name: str) -> UnknownIdError:
    names = [one.name for one in some(connection, CampaignRow.used_name.is_not(None))]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return UnknownIdError(
        "error.campaign.unknown_near" if near else "error.campaign.unknown",
        name=quoted(name, _SHOWN),
        near=", ".join(near),
    )
