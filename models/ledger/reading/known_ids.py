"""Ids of broadcasts that there are, for whoever asked for one that there is not."""

from __future__ import annotations

import difflib

from sqlalchemy import Connection, select

from broadcast.errors import UnknownIdError
from broadcast.states import Phase
from models.broadcast import BroadcastRow


def unknown(connection: Connection, broadcast_id: str) -> UnknownIdError:
    """Return the error that nobody has this id, with the newest ids that look like it."""
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.phase != Phase.UPLOADING)
        .order_by(BroadcastRow.created_at.desc())
        .limit(500)
    ).all()
    near = difflib.get_close_matches(broadcast_id, ids, n=3, cutoff=0.6)
    if near:
        return UnknownIdError("error.broadcast.unknown_near", id=broadcast_id, near=", ".join(near))
    return UnknownIdError("error.broadcast.unknown", id=broadcast_id)
