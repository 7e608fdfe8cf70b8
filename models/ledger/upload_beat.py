"""The beat of an upload under way: whatever it stores shows that it lives."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, update

from broadcast.plan.submission import TakenOverError
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.rows import change
from models.upload import UploadRow

#: An upload that was silent for this long is given up.
GIVEN_UP_AFTER: Final = timedelta(hours=1)
#: So long a list may be awaited before its id is forgotten.
AWAITED_FOR: Final = timedelta(hours=24)


def alive(connection: Connection, broadcast_id: str, *, fence: int | None = None) -> None:
    """Show that the upload lives; raise TakenOverError if it was given up.

    *fence*: the try that stores a list that was awaited; a later one takes over.
    """
    moment = now(connection)
    # If this try dies, its list is awaited once more.
    beat = moment if fence is None else moment + AWAITED_FOR - GIVEN_UP_AFTER
    mine = () if fence is None else (BroadcastRow.version == fence,)
    kept = connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None), *mine)
        .values(uploading_at=beat)
    )
    if kept.rowcount != 1:
        raise TakenOverError("error.submit.taken_over", id=broadcast_id)
    if fence is not None:
        change(connection, UploadRow, broadcast_id, beat_at=moment)


def await_list(connection: Connection, broadcast_id: str) -> None:
    """Date an upload's beat ahead, so that it is not given up before its list may come."""
    ahead = now(connection) + AWAITED_FOR - GIVEN_UP_AFTER
    connection.execute(
        update(BroadcastRow)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None))
        .values(uploading_at=ahead)
    )
