"""What is known of the draft of a broadcast."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, Executable, select

from broadcast.drafts import mark
from broadcast.reports import DraftView
from models.broadcast import Submission
from models.draft import DraftRow
from models.ledger.transaction import read


def of(connection: Connection, broadcast_id: str) -> DraftView | None:
    """Return it; None where the broadcast sends no draft."""
    return _view(connection, _DRAFT.where(DraftRow.broadcast_id == broadcast_id))


def under_key(engine: Engine, account: str, key: str) -> DraftView | None:
    """Return the draft of the broadcast that was submitted under this key, if there is one."""
    mine = _DRAFT.join(Submission, Submission.broadcast_id == DraftRow.broadcast_id)
    with read(engine) as connection:
        return _view(connection, mine.where(Submission.account == account, Submission.key == key))


_DRAFT = select(DraftRow.media_id, DraftRow.approved, DraftRow.seen, DraftRow.looked_at)


def _view(connection: Connection, query: Executable) -> DraftView | None:
    row = connection.execute(query).first()
    if row is None:
        return None
    return DraftView(
        media_id=row.media_id, approved=mark.load(row.approved), seen=mark.load(row.seen),
        looked_at=row.looked_at,
    )  # fmt: skip
