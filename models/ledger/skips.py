"""People who are left out after their list was read: they are listed and counted by reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select, update

from models.broadcast import BroadcastRow
from models.ledger.rows import change
from models.recipients import Skipped

#: How many of a reason are shown.
SHOWN = 1_000


def count(
    connection: Connection, broadcast_id: str, reason: str, *, more: int, sample: Sequence[str]
) -> None:
    """Count *more* people as left out for a reason, and show the first of them.

    They are in no line of what was read, so their number is 0. The lane's row is held.
    """
    mine = (Skipped.broadcast_id == broadcast_id, Skipped.reason == reason)
    shown = [[0, openid] for openid in sample[:SHOWN]]
    there = connection.execute(select(Skipped.count, Skipped.sample).where(*mine)).first()
    if there is None:
        connection.execute(
            insert(Skipped).values(
                broadcast_id=broadcast_id, reason=reason, count=more, sample=json.dumps(shown)
            )
        )
        return
    connection.execute(
        update(Skipped)
        .where(*mine)
        .values(
            count=Skipped.count + more,
            sample=json.dumps([*json.loads(there.sample), *shown][:SHOWN], ensure_ascii=False),
        )
    )


def move_figures(connection: Connection, broadcast_id: str, moved: Mapping[str, int]) -> None:
    """Take people from *planned* to the figures of their reasons: the sums stay what they were."""
    values = {reason: getattr(BroadcastRow, reason) + more for reason, more in moved.items()}
    change(
        connection,
        BroadcastRow,
        broadcast_id,
        planned=BroadcastRow.planned - sum(moved.values()),
        version=BroadcastRow.version + 1,
        **values,
    )
