"""All that the ledger has of one broadcast, for whoever keeps it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, inspect, select
from sqlalchemy.orm import aliased

from broadcast.frozen import frozen
from broadcast.rules.reports import Report
from broadcast.rules.states import Phase
from models.base import value_of
from models.batch_tables import AttemptRow, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.event import Event
from models.ledger.lists import recipients
from models.ledger.lists.recipients import Member, Portion, SkippedLines
from models.ledger.rows.transaction import at_one_moment
from models.ledger.views import broadcast_reports

Rows = Sequence[Mapping[str, Any]]


@frozen
class Export:
    """A broadcast at one moment; its people are read afterwards, by these ranges."""

    report: Report
    #: When its people, calls and history were removed; None: they were not.
    pruned_at: datetime | None
    batches: Rows
    calls: Rows
    gates: Rows
    history: Rows
    members: Sequence[Member]
    left_out: Sequence[Member]
    #: The first lines of each reason whose people stand in no list.
    lines: Sequence[SkippedLines]


@at_one_moment
def export(connection: Connection, broadcast_id: str) -> Export:
    """Return a broadcast. Raises UnknownIdError."""
    report = broadcast_reports.report_in(connection, broadcast_id)
    pruned_at = value_of(connection, broadcast_id, BroadcastRow.pruned_at)
    is_there = report.phase is not Phase.UPLOADING and pruned_at is None
    left_out = recipients.left_out_in(connection, broadcast_id)
    listed = {one.reason for one in left_out}
    mine = Batch.broadcast_id == broadcast_id
    calls = _numbered(AttemptRow).join(Batch, Batch.id == AttemptRow.batch_id).where(mine)
    events = _numbered(Event).outerjoin(Batch, Batch.id == Event.batch_id)
    batches = _numbered(_Child, "parent_id").outerjoin(Batch, Batch.id == _Child.parent_id)
    return Export(
        report=report,
        pruned_at=pruned_at,
        batches=_rows(
            connection, batches.where(_Child.broadcast_id == broadcast_id).order_by(_Child.n)
        ),
        calls=_rows(connection, calls.order_by(AttemptRow.id)),
        gates=_rows(
            connection,
            select(GateRow.__table__)
            .filter_by(account=report.account, broadcast_id=broadcast_id)
            .order_by(GateRow.id),
        ),
        history=_rows(
            connection, events.where(Event.broadcast_id == broadcast_id).order_by(Event.id)
        ),
        members=recipients.members_in(connection, broadcast_id) if is_there else (),
        left_out=left_out,
        lines=[
            one
            for one in recipients.skipped_in(connection, broadcast_id)
            if one.reason not in listed
        ],
    )


_Child = aliased(Batch)


def _numbered(table: Any, key: str = "batch_id") -> Select[Any]:
    """Return the query for rows with the number of their batch in the place of its id."""
    columns = [column for column in inspect(table).selectable.c if column.name != key]
    return select(Batch.n.label(key.removesuffix("_id")), *columns).select_from(table)


def _rows(connection: Connection, query: Select[Any]) -> Rows:
    return [
        {name: value for name, value in row.items() if name not in {"id", "broadcast_id"}}
        for row in connection.execute(query).mappings()
    ]


def people(engine: Engine, whole: Export) -> Iterator[Portion]:
    """Yield the people of each batch, then those who were left out."""
    return recipients.of_members(engine, whole.report.id, [*whole.members, *whole.left_out])
