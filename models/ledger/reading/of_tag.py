"""Which broadcasts still need a tag of WeChat's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Row, select

from broadcast.plan import selection
from broadcast.plan.audience import KINDS, Followers, Tag, parse
from broadcast.plan.selection import Excluded, Exclusion
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.ledger.transaction import read


def to_come(engine: Engine, account: str, tag_id: int) -> Sequence[str]:
    """Return the account's broadcasts that still ask WeChat for the tag, oldest first.

    A call to the tag asks when it is made. A plan asks who has it, to send to them or to leave
    them out.
    """
    query = (
        select(BroadcastRow.id, BroadcastRow.phase, BroadcastRow.audience_kind,
               BroadcastRow.audience_spec, BroadcastRow.selection)
        .where(BroadcastRow.account == account, BroadcastRow.phase != Phase.ENDED)
        .where(BroadcastRow.audience_kind.in_(KINDS))
        .order_by(BroadcastRow.created_at)
    )  # fmt: skip
    with read(engine) as connection:
        rows = connection.execute(query).all()
    return [row.id for row in rows if _asks(row, tag_id)]


def _asks(row: Row[*tuple[Any, ...]], tag_id: int) -> bool:
    audience = parse(row.audience_kind, row.audience_spec)
    if audience == Tag(tag_id=tag_id):
        return True
    if row.phase == Phase.SENDING:
        return False
    without = Exclusion(kind=Excluded.TAG, value=str(tag_id))
    return audience == Followers(tag_id=tag_id) or without in selection.parse(row.selection).exclude
