"""Loading a case: one broadcast, all of it, in one snapshot, beside workers that go on working."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, or_, select, true
from sqlalchemy.orm import aliased

from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.call.waits import Waits
from broadcast.enums import recognised
from broadcast.events import EventKind
from broadcast.finish import Counts, ending
from broadcast.frozen import frozen
from broadcast.plan.chunk import ASKED
from broadcast.states import BatchState, Phase
from models.account import AccountRow, Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow, Reservation
from models.engine import now
from models.event import Event
from models.finish import Finish
from models.gate import GateRow
from models.ledger.audit import recipients
from models.ledger.audit.case import (
    AuditedBatch,
    AuditedBroadcast,
    AuditedGate,
    AuditedLane,
    Call,
    Case,
    Lists,
    Moved,
)
from models.ledger.audit.findings import Finding, Found
from models.ledger.reading import driven
from models.ledger.rows import columns, every, first, one
from models.recipients import Skipped

_NO_LISTS = Lists(sizes={}, marks={}, ranges={}, resolved=ASKED, digest="")


def load(connection: Connection, broadcast_id: str, waits: Waits) -> Case | None:
    """Return everything about a published broadcast; None where it is not there any more."""
    query = (
        select(*columns(AuditedBroadcast, BroadcastRow, "appid"), AccountRow.appid)
        .join(AccountRow, AccountRow.name == BroadcastRow.account)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase != Phase.UPLOADING)
    )
    row = first(connection, query, AuditedBroadcast)
    if row is None:
        return None
    lane = select(*columns(AuditedLane, Lane)).where(Lane.account == row.account)
    moves = _moves(connection, broadcast_id)
    batches = _batches(connection, broadcast_id, moves)
    case = Case(
        row=row, now=now(connection), waits=waits, lane=one(connection, lane, AuditedLane),
        signs=driven.signs_of_life(connection, row.account), gates=_gates(connection, row, batches),
        batches=batches, moves=moves[None], lists=_NO_LISTS,
        skipped=_skipped(connection, broadcast_id), findings=(),
    )  # fmt: skip
    found = [*_held(connection, case), *_shared(connection, case)]
    return recipients.read(connection, replace(case, findings=found))


@frozen
class _Line:
    """One line of the history."""

    id: int
    batch_id: int | None
    detail: str


def _moves(connection: Connection, broadcast_id: str) -> dict[int | None, list[Moved]]:
    """Return the moves of each batch, and (None) those of several at once, oldest first."""
    query = (
        select(*columns(_Line, Event))
        .where(Event.broadcast_id == broadcast_id, Event.kind == EventKind.BATCH_MOVE)
        .order_by(Event.id)
    )
    found: dict[int | None, list[Moved]] = defaultdict(list)
    for line in every(connection, query, _Line):
        detail = json.loads(line.detail)
        old, new = (recognised(BatchState, detail[end]) for end in ("old", "new"))
        found[line.batch_id].append(Moved(id=line.id, batch_id=line.batch_id, old=old, new=new))
    return found


def _batches(
    connection: Connection, broadcast_id: str, moves: dict[int | None, list[Moved]]
) -> list[AuditedBatch]:
    calls: dict[int, list[Call]] = defaultdict(list)
    made = (
        select(*columns(Call, AttemptRow))
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(AttemptRow.batch_id, AttemptRow.number)
    )
    for call in every(connection, made, Call):
        calls[call.batch_id].append(call)
    query = (
        select(*columns(AuditedBatch, Batch, "calls", "moves", "event_status", "ended"))
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(Batch.n)
    )
    events = _events(connection, broadcast_id)
    return [
        replace(
            batch, calls=calls.get(batch.id, ()), moves=moves.get(batch.id, ()),
            **events.get(batch.id, {}),
        )
        for batch in every(connection, query, AuditedBatch)
    ]  # fmt: skip


def _events(connection: Connection, broadcast_id: str) -> dict[int, dict[str, Any]]:
    """Return what the finish event of each batch's job says, by the batch's id."""
    rows = connection.execute(
        select(Batch.id, Finish.status, Finish.sent)
        .join(Finish, and_(Finish.account == Batch.account, Finish.msg_id == Batch.msg_id))
        .where(Batch.broadcast_id == broadcast_id)
    )
    return {
        batch_id: {"event_status": status, "ended": ending(status, Counts(sent=sent))}
        for batch_id, status, sent in rows
    }


def _gates(
    connection: Connection, row: AuditedBroadcast, batches: Sequence[AuditedBatch]
) -> Sequence[AuditedGate]:
    """Return its own gates, and its account's that stand or stood while its calls were made."""
    counters = [call.gate_counter for batch in batches for call in batch.calls] or [0]
    stood = and_(
        GateRow.broadcast_id == "",
        or_(
            GateRow.opened_at.is_(None),
            and_(
                GateRow.closed_counter <= max(counters),
                GateRow.opened_counter > min(counters),
            ),
        ),
    )
    query = (
        select(*columns(AuditedGate, GateRow))
        # An index finds both: the account's gates are few, those of its broadcasts many.
        .where(GateRow.account == row.account, GateRow.broadcast_id.in_(["", row.id]))
        .where(or_(GateRow.broadcast_id == row.id, stood))
        .order_by(GateRow.id)
    )
    return every(connection, query, AuditedGate)


def _skipped(connection: Connection, broadcast_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(Skipped.reason, Skipped.count).where(Skipped.broadcast_id == broadcast_id)
    )
    return {reason: count for reason, count in rows}  # noqa: C416 - rows are not pairs to mypy


def _held(connection: Connection, case: Case) -> Iterator[Finding]:
    """Yield days of which it holds fewer than no calls, or any although it has ended."""
    wrong = Reservation.calls != 0 if case.row.phase is Phase.ENDED else Reservation.calls < 0
    query = select(Reservation.calls, Reservation.day).where(wrong)
    for held in connection.execute(query.where(Reservation.broadcast_id == case.row.id)).mappings():
        yield case.finding(Found.RESERVED, **held)


def _shared(connection: Connection, case: Case) -> Iterator[Finding]:
    """Yield the msg_ids of accepted batches that another batch of the account owns as well."""
    other = aliased(Batch)
    named = select(
        Batch.n, other.msg_id, other.broadcast_id.label("owner"), other.n.label("other")
    ).where(Batch.broadcast_id == case.row.id)
    by_batch = named.join(
        other,
        and_(other.account == Batch.account, other.msg_id == Batch.msg_id, other.id != Batch.id),
    )
    by_reply = (
        named.join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .join(
            other,
            and_(
                other.account == AttemptRow.account, other.msg_id == AttemptRow.msg_id,
                other.id != Batch.id,
            ),
        )
        .where(Batch.state.in_([BatchState.ACCEPTED, BatchState.FINISHED]))
        .where(AttemptRow.outcome.in_(SAID_ACCEPTED), AttemptRow.denied.is_not(true()))
    )  # fmt: skip
    for row in connection.execute(by_batch.union(by_reply)).mappings():
        facts = dict(row)
        yield case.finding(Found.SHARED_MSG_ID, facts.pop("n"), **facts)
