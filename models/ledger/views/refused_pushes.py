"""Requests to a callback URL that were signed with another token, as the history shows them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from broadcast.names import EventKind
from models.box_tables import PushRow
from models.engine import now
from models.event import Event
from models.ledger.rows.transaction import reading


@reading
def refused_at(connection: Connection, account: str, within: timedelta) -> datetime | None:
    """Return when one was last noted, if it was *within* that time and no push was taken since."""
    taken = select(func.max(PushRow.received_at)).filter_by(account=account)
    refused = select(func.max(Event.at)).filter_by(
        broadcast_id=None, kind=EventKind.PUSH_REFUSED, account=account
    )
    last, at = connection.scalar(taken), connection.scalar(refused)
    if at is None or at < now(connection) - within or (last is not None and last > at):
        return None
    return at
