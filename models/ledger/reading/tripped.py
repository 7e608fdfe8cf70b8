"""BreakerTrip: what a guard stopped last, read from the history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from broadcast.events import EventKind
from models.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerTrip:
    """What made a guard act: how many batches, and of which broadcasts they are."""

    count: int
    broadcasts: Sequence[str]


def last(
    connection: Connection, *, broadcast_id: str | None = None, account: str | None = None
) -> BreakerTrip | None:
    """Return what paused a broadcast, or stopped an account, by itself last."""
    whose = (
        Event.broadcast_id == broadcast_id
        if account is None
        else Event.broadcast_id.is_(None) & (Event.account == account)
    )
    detail = connection.scalar(
        select(Event.detail)
        .where(whose, Event.kind == EventKind.GUARD)
        .order_by(Event.id.desc())
        .limit(1)
    )
    if detail is None:
        return None
    told = json.loads(detail)
    return BreakerTrip(count=told["count"], broadcasts=told["broadcasts"])
