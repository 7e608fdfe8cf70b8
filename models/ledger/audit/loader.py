"""Reading cases: one broadcast, all of it, in one snapshot, beside workers that go on working."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, and_, func, select, true, type_coerce
from sqlalchemy.orm import aliased

from broadcast.call.outcomes import Outcome
from broadcast.call.waits import Waits
from broadcast.events import LANE_STOPS, MOVES, EventKind
from broadcast.states import BatchState, BroadcastState
from models.account import AccountRow, Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.event import Event
from models.ledger.audit import openids
from models.ledger.audit.overlaps import LaneCall
from models.ledger.audit.snapshot import BatchCase, Call, Case, LaneCase, Moved, Shared
from models.ledger.reading import liveness
from models.skipped import Skipped


def read_case(connection: Connection, broadcast_id: str, waits: Waits) -> Case:
    """Return everything about a published broadcast; none of them is ever removed."""
    row = connection.execute(_ROW.where(BroadcastRow.id == broadcast_id)).one()
    moves = _moves(connection, broadcast_id)
    batches = _batches(connection, broadcast_id, moves)
    children = {batch.pack_id for batch in batches if batch.parent_id is not None}
    packs, digest = openids.read(connection, row, children)
    return Case(
        row=row,
        written=row.written,
        now=now(connection),
        waits=waits,
        lane=_lane(connection, row.account),
        moves=moves[None],
        batches=batches,
        packs=packs,
        digest=digest,
        skipped=_skipped(connection, broadcast_id),
        twice=openids.twice(connection, batches, packs),
        uneven=openids.uneven(connection, batches),
        shared=_shared(connection, broadcast_id),
    )


# A state is read as it is written, so that one that is none can be told.
_ROW = (
    select(
        *(column for column in BroadcastRow.__table__.columns if column.name != "state"),
        type_coerce(BroadcastRow.state, String).label("written"),
        AccountRow.appid,
    )
    .join(AccountRow, AccountRow.name == BroadcastRow.account)
    .where(BroadcastRow.state != BroadcastState.UPLOADING)
)


def _moves(connection: Connection, broadcast_id: str) -> dict[int | None, list[Moved]]:
    """Return the history of a broadcast (None) and of each of its batches, oldest first."""
    found: dict[int | None, list[Moved]] = defaultdict(list)
    query = (
        select(Event.id, Event.batch_id, Event.at, Event.kind, Event.who, Event.detail)
        .where(Event.broadcast_id == broadcast_id)
        .where(Event.kind.in_(MOVES))
        .order_by(Event.id)
    )
    for row in connection.execute(query):
        detail = json.loads(row.detail)
        found[row.batch_id].append(
            Moved(
                id=row.id, at=row.at, kind=row.kind, who=row.who,
                old=detail["old"], new=detail["new"],
            )
        )  # fmt: skip
    return found


def _batches(
    connection: Connection, broadcast_id: str, moves: dict[int | None, list[Moved]]
) -> list[BatchCase]:
    calls = _calls(connection, broadcast_id)
    rows = connection.execute(
        select(
            Batch.id, Batch.n, Batch.size, Batch.pack_id, Batch.parent_id, Batch.account,
            type_coerce(Batch.state, String).label("written"), Batch.reason, Batch.clientmsgid,
            Batch.attempts, Batch.not_before, Batch.first_called_at, Batch.msg_id,
        )
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(Batch.n)
    )  # fmt: skip
    return [
        BatchCase(**dict(row), calls=calls.get(row["id"], ()), moves=moves.get(row["id"], ()))
        for row in rows.mappings()
    ]


def _calls(connection: Connection, broadcast_id: str) -> dict[int, list[Call]]:
    found: dict[int, list[Call]] = defaultdict(list)
    rows = connection.execute(
        select(
            AttemptRow.batch_id, AttemptRow.id, AttemptRow.number, AttemptRow.account,
            AttemptRow.fence, AttemptRow.clientmsgid, AttemptRow.started_at, AttemptRow.ended_at,
            AttemptRow.outcome, AttemptRow.msg_id, AttemptRow.confirmed, AttemptRow.denied,
            AttemptRow.outcome_recorded_at,
        )
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(AttemptRow.batch_id, AttemptRow.number)
    )  # fmt: skip
    for row in rows.mappings():
        values = dict(row)
        found[values.pop("batch_id")].append(Call(**values))
    return found


def _skipped(connection: Connection, broadcast_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(Skipped.reason, Skipped.count).where(Skipped.broadcast_id == broadcast_id)
    )
    return {reason: count for reason, count in rows}  # noqa: C416 - rows are not pairs to mypy


def _lane(connection: Connection, account: str) -> LaneCase:
    row = connection.execute(
        select(Lane.fence, Lane.stopped_at, Lane.halted_at).where(Lane.account == account)
    ).mappings().one()  # fmt: skip
    return LaneCase(
        **dict(row),
        signs=liveness.of_lane(connection, account),
        moves=_lane_moves(connection, account),
    )


def _lane_moves(connection: Connection, account: str) -> list[Moved]:
    rows = connection.execute(
        select(Event.id, Event.at, Event.kind, Event.who)
        .where(Event.account == account, Event.broadcast_id.is_(None))
        .where(Event.kind.in_([*LANE_STOPS, EventKind.LANE_UNHALT]))
        .order_by(Event.id)
    )
    return [Moved(id=row.id, at=row.at, kind=row.kind, who=row.who) for row in rows]


def _shared(connection: Connection, broadcast_id: str) -> list[Shared]:
    """Return the msg_ids of accepted batches that another batch of the account owns as well."""
    other = aliased(Batch)
    owner = and_(
        other.account == Batch.account, other.msg_id == Batch.msg_id, other.id != Batch.id
    )  # fmt: skip
    said = and_(
        other.account == AttemptRow.account, other.msg_id == AttemptRow.msg_id,
        other.id != AttemptRow.batch_id,
    )  # fmt: skip
    columns = (Batch.n, other.broadcast_id.label("owner_id"), other.n.label("owner_n"))
    mine = (Batch.broadcast_id == broadcast_id,)
    by_batch = select(*columns, Batch.msg_id).join(other, owner).where(*mine)
    by_reply = (
        select(*columns, AttemptRow.msg_id)
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .join(other, said)
        .where(*mine, Batch.state.in_([BatchState.ACCEPTED, BatchState.FINISHED]))
        .where(AttemptRow.outcome.in_([Outcome.ACCEPTED, Outcome.ALREADY_ACCEPTED]))
        .where(AttemptRow.denied.is_not(true()))
    )
    rows = [*connection.execute(by_batch).mappings(), *connection.execute(by_reply).mappings()]
    return sorted({_key(row): Shared(**dict(row)) for row in rows}.values(), key=lambda s: s.n)


def _key(row: Any) -> tuple[Any, ...]:  # noqa: ANN401 - the mapping of a row
    return (row["n"], row["msg_id"], row["owner_id"], row["owner_n"])


# Lanes


def lane_calls(
    connection: Connection, account: str, broadcast_id: str | None
) -> Iterator[LaneCall]:
    """Yield the calls of an account as they were written; with an id those of its time alone."""
    query = (
        select(
            AttemptRow.account, Batch.broadcast_id, Batch.n, AttemptRow.number, AttemptRow.fence,
            AttemptRow.started_at, AttemptRow.ended_at,
        )
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(AttemptRow.account == account)
        .order_by(AttemptRow.id)
    )  # fmt: skip
    if broadcast_id is not None:
        time = _time_of(connection, broadcast_id)
        if time is None:
            return
        query = query.where(AttemptRow.started_at.between(*time))
    rows = connection.execute(query.execution_options(yield_per=1_000))
    for row in rows.mappings():
        yield LaneCall(**dict(row))


def _time_of(connection: Connection, broadcast_id: str) -> tuple[datetime, datetime] | None:
    """Return the first and the last call that may meet one of the broadcast, if it has any."""
    first, last, account = connection.execute(
        select(
            func.min(AttemptRow.started_at), func.max(AttemptRow.started_at),
            func.min(AttemptRow.account),
        )
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id)
    ).one()  # fmt: skip
    if first is None:
        return None
    mine = AttemptRow.account == account
    before = select(func.max(AttemptRow.started_at)).where(mine, AttemptRow.started_at < first)
    after = select(func.min(AttemptRow.started_at)).where(mine, AttemptRow.started_at > last)
    return connection.scalar(before) or first, connection.scalar(after) or last
