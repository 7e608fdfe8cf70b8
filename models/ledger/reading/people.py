"""People: what they did to a broadcast, and to its account while it was there, from the history."""

from __future__ import annotations

import json

from sqlalchemy import ColumnElement, Connection, Subquery, and_, func, select, union_all

from broadcast.events import EventKind
from broadcast.reports import Did, OperatorAction, People
from models.event import Event
from models.ledger.transaction import AnyRow

_OF_LANES = {EventKind.LANE_HALT: Did.HALT, EventKind.LANE_UNHALT: Did.UNHALT}
#: Most deeds that are told one by one; earlier ones are counted.
MOST = 20


def of(connection: Connection, broadcast: AnyRow, *, most: int = MOST) -> People:
    """Return the last deeds, oldest first; *broadcast* with id, account, creation and end."""
    on_broadcast = (Event.broadcast_id == broadcast.id) & (Event.kind == EventKind.BROADCAST_WORD)
    there = union_all(
        _LINES.where(on_broadcast), _LINES.where(_on_account(broadcast))
    ).subquery()  # fmt: skip
    rows = connection.execute(select(there).order_by(there.c.id.desc()).limit(most)).all()
    deeds = [_deed(row) for row in reversed(rows)]
    return People(deeds=deeds, earlier=_count(connection, there) - len(deeds))


def _on_account(broadcast: AnyRow) -> ColumnElement[bool]:
    """Return the condition that a line is a halt of its account, or the end of one, in its time."""
    # The index leads with the broadcast: lines without one are few.
    conditions = [
        Event.broadcast_id.is_(None), Event.account == broadcast.account,
        Event.kind.in_(_OF_LANES), Event.at >= broadcast.created_at,
    ]  # fmt: skip
    if broadcast.finished_at is not None:
        conditions.append(Event.at <= broadcast.finished_at)
    return and_(*conditions)


_LINES = select(Event.id, Event.at, Event.kind, Event.who, Event.account, Event.detail)


def _count(connection: Connection, there: Subquery) -> int:
    return connection.scalar(select(func.count()).select_from(there)) or 0


def _deed(row: AnyRow) -> OperatorAction:
    detail = json.loads(row.detail)
    return OperatorAction(
        at=row.at, who=row.who, why=detail.get("why"), account=row.account,
        did=_OF_LANES[row.kind] if row.kind in _OF_LANES else Did(detail["did"]),
        batch=detail.get("n"), msg_id=detail.get("msg_id"), batches=detail.get("batches"),
    )  # fmt: skip
