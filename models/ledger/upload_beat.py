"""The beat of an upload under way: whatever it stores shows that it lives."""

from __future__ import annotations

from sqlalchemy import Connection, update

from broadcast.plan.submission import TakenOverError
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.engine import now


def alive(connection: Connection, broadcast_id: str, *, fence: int | None = None) -> None:
    """Show that the upload lives; raise TakenOverError if it was given up.

    *fence*: the try that stores it, where there may be several; a later one takes over.
    """
    mine = () if fence is None else (BroadcastRow.version == fence,)
    kept = connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None), *mine)
        .values(uploading_at=now(connection))
    )
    if kept.rowcount != 1:
        raise TakenOverError("error.submit.taken_over", id=broadcast_id)
