"""Pauses: whether a person's word keeps a paused broadcast still, read from the history.

Its row tells why it was paused first. A person may pause as well what a refusal had paused, and
neither is lost: the refusal stays in the row, the word in the history.
"""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, select

from broadcast.call.attempts import Reason
from broadcast.events import EventKind
from broadcast.reports import Did
from models.event import Event
from models.ledger.transaction import AnyRow


def by_hand(connection: Connection, paused: AnyRow) -> bool:
    """Tell whether a person paused a broadcast, which is paused now, and nobody resumed it since.

    *paused*: with its id and reason.

    A word is written after the move that comes of it, and what is paused leaves that state by a
    move only: so it stands while it is newer than the last move.
    """
    if paused.reason is Reason.BY_HAND:
        return True
    of_it = Event.broadcast_id == paused.id
    moved = select(func.max(Event.id)).where(of_it, Event.kind == EventKind.BROADCAST_MOVE)
    since = connection.scalar(moved) or 0
    words = connection.scalars(
        select(Event.detail).where(of_it, Event.kind == EventKind.BROADCAST_WORD, Event.id > since)
    )
    return any(json.loads(word)["did"] == Did.PAUSE for word in words)
