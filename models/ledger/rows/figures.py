"""Figures: what a broadcast is at one moment, in all that can still change.

A report is made of them. They can be stored as one text, and a report be made of that later.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Cast,
    ColumnElement,
    Connection,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.finish_events import Counts, Delivered
from broadcast.rules.gates.gate import Gate, GateScope
from broadcast.rules.gates.shown_states import shown_state
from broadcast.rules.reports import SETS, LaneView, set_of
from broadcast.rules.states import SENT, UNCALLED_PHASES, BatchState, BroadcastState, Phase, Reason
from models.accounts import Lane
from models.batch_tables import IS_A_CALL, AttemptRow, Batch
from models.box_tables import IS_OF_BATCH, Finish
from models.broadcast_tables import BroadcastRow
from models.engine import database_now
from models.ledger.rows import closed_gates, locked_rows
from models.ledger.rows.transaction import every_row, first, selected


@frozen
class ReportedRow:
    """A broadcast's own row, as far as a report needs it, and what its lane waits for."""

    id: str
    account: str
    key: str
    title: str | None
    priority: int
    version: int
    phase: Phase
    result: BroadcastState | None
    msgtype: str
    content: str
    audience_kind: str
    audience_spec: str
    selection: str | None
    path: SendPath
    read: int
    malformed: int
    duplicate: int
    suppressed: int
    excluded: int
    unsubscribed: int
    capped: int
    sampled_out: int
    planned: int | None
    created_at: datetime
    created_by: str
    published_at: datetime | None
    uploading_at: datetime | None
    moved_at: datetime | None
    late_by_s: int
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    pruned_at: datetime | None
    #: Of its lane.
    not_before: datetime | None
    wait_reason: Reason | None
    #: The database's moment of the reading.
    now: datetime


@frozen
class Count:
    """Number of batches of a broadcast in one state."""

    broadcast_id: str
    state: BatchState
    count: int
    size: int | None
    attempts: int
    #: Claims of them that were given back before anything was called.
    not_called: int
    polled: int


@frozen
class Figures:
    """A broadcast and what is around it."""

    row: ReportedRow
    #: Of it, its account and its interface, opened by nobody.
    gates: Sequence[Gate] = ()
    counts: Sequence[Count] = ()
    delivered: Delivered = field(default_factory=Delivered)

    @property
    def lane(self) -> LaneView:
        """Waits of its account's lane, and the gates of its interface."""
        return LaneView(
            not_before=self.row.not_before,
            wait_reason=self.row.wait_reason,
            gates=tuple(gate for gate in self.gates if gate.scope is not GateScope.BROADCAST),
        )

    @property
    def state(self) -> BroadcastState:
        """Shown state."""
        return shown_state(
            phase=self.row.phase,
            result=self.row.result,
            gates=self.gates,
            called=self.row.started_at is not None,
            now=self.row.now,
        )

    @property
    def sums(self) -> tuple[dict[str, int | None], dict[str, int]]:
        """The recipients and the batches by set."""
        planned = self.row.planned
        recipients: dict[str, int | None] = dict.fromkeys(SETS, None if planned is None else 0)
        batches = dict.fromkeys(("total", "accepted", "finished", *SETS[1:]), 0)
        seen = 0
        for count in self.counts:
            if count.state is BatchState.SPLIT:
                continue
            name = set_of(count.state)
            batches["total"] += count.count
            batches[name] += count.count
            if count.state is BatchState.FINISHED:
                batches["finished"] += count.count
            if planned is not None:
                recipients[name] = (recipients[name] or 0) + (count.size or 0)
                seen += count.size or 0
        if planned is not None:
            # What is not planned yet waits, or was cancelled before it was.
            name = "cancelled" if self.state is BroadcastState.CANCELLED else "waiting"
            recipients[name] = (recipients[name] or 0) + planned - seen
        return recipients, batches

    def stored(self) -> str:
        """Return them as one text, for :func:`parse`."""
        return _text().dump_json(self).decode()


def parse(text: str) -> Figures:
    """Return figures that were stored. Raises ValueError."""
    return _text().validate_json(text)


@functools.cache
def _text() -> TypeAdapter[Figures]:
    return TypeAdapter(Figures)


# Built once: building a statement costs more than running it, and each submit runs the second one.
# Outer, or MariaDB begins with the few lanes, and reads each broadcast to sort them.
ROWS = selected(
    ReportedRow,
    BroadcastRow,
    not_before=Lane.not_before,
    wait_reason=Lane.wait_reason,
    now=database_now(),
).outerjoin(Lane, Lane.account == BroadcastRow.account)
_ONE = ROWS.filter_by(id=bindparam("id"))


def figures_of(connection: Connection, broadcast_id: str) -> Figures:
    """Return the figures of a broadcast. Raises UnknownIdError, naming near ids."""
    row = first(connection, _ONE, ReportedRow, {"id": broadcast_id})
    if row is None:
        raise locked_rows.unknown_id(connection, broadcast_id)
    return of_rows(connection, [row])[0]


def of_rows(connection: Connection, rows: Sequence[ReportedRow]) -> list[Figures]:
    """Return the figures of several broadcasts, read with a statement a kind."""
    # Nobody sees the batches of a plan before it is whole, and none of them was called.
    planned = [row.id for row in rows if row.phase not in UNCALLED_PHASES]
    counts: dict[str, list[Count]] = defaultdict(list)
    for count in every_row(connection, _COUNTS, Count, {"ids": planned}) if planned else ():
        counts[count.broadcast_id].append(count)
    gates = closed_gates.gates_of_some(
        connection, {row.account for row in rows}, [row.id for row in rows]
    )
    delivered = _delivered(connection, planned) if planned else {}
    return [
        Figures(
            row=row,
            gates=[gate for gate in gates if _is_of(gate, row)],
            counts=counts[row.id],
            delivered=delivered.get(row.id, Delivered()),
        )
        for row in rows
    ]


def _is_of(gate: Gate, row: ReportedRow) -> bool:
    if gate.broadcast_id is not None:
        return gate.broadcast_id == row.id
    return gate.account == row.account and gate.concerns(row.path)


def _sum(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> Cast[int]:
    """Return a sum that is a whole number on every database."""
    return cast(func.sum(column), BigInteger)


_OF_THESE = Batch.broadcast_id.in_(bindparam("ids", expanding=True))
_TAKEN: ColumnElement[bool] = Batch.state.in_(SENT)
# A subquery, so that no database reads every attempt that there ever was for them.
_GIVEN_BACK = (
    select(func.count())
    .where(AttemptRow.batch_id == Batch.id, AttemptRow.outcome == Outcome.NOT_CALLED)
    .scalar_subquery()
)
_CALLED_ONCE = (Batch.attempts == 0) | (_TAKEN & (Batch.attempts == 1))
_COUNTS = (
    selected(
        Count,
        Batch,
        count=func.count(),
        size=_sum(Batch.size),
        attempts=_sum(Batch.attempts),
        not_called=_sum(case((_CALLED_ONCE, 0), else_=_GIVEN_BACK)),
        polled=func.count(Batch.poll_at),
    )
    .where(_OF_THESE, IS_A_CALL)
    .group_by(Batch.broadcast_id, Batch.state)
)
_FIGURES = {name: getattr(Finish, name) for name in ("total", "eligible", "sent", "errors")}
_DELIVERED = (
    select(
        Batch.broadcast_id,
        func.count().label("jobs"),
        *(
            case((func.count(figure) == func.count(), _sum(figure))).label(name)
            for name, figure in _FIGURES.items()
        ),
    )
    .join(Finish, IS_OF_BATCH)
    .where(_OF_THESE, or_(*(figure.is_not(None) for figure in _FIGURES.values())))
    .group_by(Batch.broadcast_id)
)


def _delivered(connection: Connection, ids: Sequence[str]) -> dict[str, Delivered]:
    """Return WeChat's counts of the batches of several broadcasts, refused by a review or not.

    A figure that one of the jobs lacks is None: sums over different jobs would not add up. Jobs
    and broadcasts without any figure are absent.
    """
    return {
        row.pop("broadcast_id"): Delivered(jobs=row.pop("jobs"), counts=Counts(**row))
        for row in map(dict, connection.execute(_DELIVERED, {"ids": ids}).mappings())
    }
