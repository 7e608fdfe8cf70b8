"""Reports: where a broadcast stands, added up from its batches at the moment of asking."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, or_, select

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Outcome
from broadcast.errors import UnknownIdError
from broadcast.reports import SETS, SKIPS, BatchLine, LaneView, Repeat, Report
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.reading import driven, people, tripped, voices
from models.ledger.transaction import AnyRow, read, snapshot
from models.skipped import Skipped

#: In which set the followers of a batch are; those of a split one are told by its children.
SET_OF = {
    BatchState.PLANNED: "waiting",
    BatchState.CALLING: "waiting",
    BatchState.UNKNOWN: "waiting",
    BatchState.ACCEPTED: "accepted",
    BatchState.FINISHED: "accepted",
    BatchState.REFUSED: "refused",
    BatchState.CANCELLED: "cancelled",
    BatchState.IN_DOUBT: "in_doubt",
}


def report(engine: Engine, broadcast_id: str, *, whole: bool = True) -> Report:
    """Return the report of a broadcast. Raises UnknownIdError, naming near ids."""
    with snapshot(engine) as connection:
        return of(connection, broadcast_id, whole=whole)


def of(connection: Connection, broadcast_id: str, *, whole: bool = True) -> Report:
    """Do the work of :func:`report` in a transaction that sees one moment.

    The whole has the batches too, what people did, and what goes before it or keeps it waiting.
    """
    row = connection.execute(
        select(BroadcastRow.__table__).where(
            BroadcastRow.id == broadcast_id,
            BroadcastRow.state != BroadcastState.UPLOADING,
        )
    ).first()
    if row is None:
        raise unknown(connection, broadcast_id)
    return _report(connection, row, whole=whole)


def reports(engine: Engine, *, account: str | None = None, most: int = 50) -> list[Report]:
    """Return the newest broadcasts, without their batch lists."""
    with snapshot(engine) as connection:
        query = (
            select(BroadcastRow.__table__)
            .where(BroadcastRow.state != BroadcastState.UPLOADING)
            .order_by(BroadcastRow.created_at.desc(), BroadcastRow.id.desc())
            .limit(most)
        )
        if account is not None:
            query = query.where(BroadcastRow.account == account)
        return [_report(connection, row, whole=False) for row in connection.execute(query)]


def unknown(connection: Connection, broadcast_id: str) -> UnknownIdError:
    """Return the error that nobody has this id, with the newest ids that look like it."""
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.state != BroadcastState.UPLOADING)
        .order_by(BroadcastRow.created_at.desc())
        .limit(500)
    ).all()
    near = difflib.get_close_matches(broadcast_id, ids, n=3, cutoff=0.6)
    if near:
        return UnknownIdError("error.broadcast.unknown_near", id=broadcast_id, near=", ".join(near))
    return UnknownIdError("error.broadcast.unknown", id=broadcast_id)


def _report(connection: Connection, row: AnyRow, *, whole: bool) -> Report:
    recipients, batches, calls = _sums(connection, row.id)
    # Published and not cut yet, or not wholly: the rest waits, or was cancelled before it was cut.
    lost = row.cancelled_at is not None
    recipients["cancelled" if lost else "waiting"] += row.planned - sum(recipients.values())
    lane, moment = _lane(connection, row.account), now(connection)
    return Report(
        id=row.id,
        account=row.account,
        key=row.key,
        priority=row.priority,
        state=_shown_state(row.state, lane),
        reason=row.reason,
        reason_errcode=row.reason_errcode,
        reason_errmsg=row.reason_errmsg,
        reason_count=_refusals(connection, row),
        audience={"read": row.read}
        | {name: getattr(row, name) for name in SKIPS}
        | {"planned": row.planned},
        recipients=recipients,
        batches=batches,
        batch_list=_lines(connection, row.id) if whole else (),
        calls=calls,
        results_due=_results_due(connection, row.id),
        lane=lane,
        created_at=row.created_at,
        scheduled_at=row.scheduled_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        people=people.of(connection, row) if whole else None,
        driven=driven.of(connection, row, moment) if whole else None,
        now=moment,
        content=row.content,
        created_by=row.created_by,
    )


def _shown_state(state: BroadcastState, lane: LaneView) -> BroadcastState:
    running = {BroadcastState.PLANNING, BroadcastState.WAITING, BroadcastState.SENDING}
    if state in running and (lane.stopped_at or lane.halted_at):
        return BroadcastState.HELD
    return state


def _sums(connection: Connection, broadcast_id: str) -> tuple[dict[str, int], dict[str, int], int]:
    recipients = dict.fromkeys(SETS, 0)
    batches = dict.fromkeys(("total", "accepted", "finished", *SETS[1:]), 0)
    calls = connection.scalar(
        select(func.count())
        .select_from(AttemptRow)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id)
        .where(AttemptRow.outcome.is_(None) | (AttemptRow.outcome != Outcome.NOT_CALLED))
    )
    rows = connection.execute(
        select(Batch.state, func.count(), func.sum(Batch.size))
        .where(Batch.broadcast_id == broadcast_id)
        .group_by(Batch.state)
    )
    for state, count, size in rows:
        if state is BatchState.SPLIT:
            continue
        recipients[SET_OF[state]] += int(size)
        batches["total"] += count
        batches[SET_OF[state]] += count
        if state is BatchState.FINISHED:
            batches["finished"] += count
    return recipients, batches, calls or 0


def _results_due(connection: Connection, broadcast_id: str) -> int:
    return (
        connection.scalar(
            select(func.count())
            .select_from(Batch)
            .where(Batch.broadcast_id == broadcast_id, Batch.poll_at.is_not(None))
        )
        or 0
    )


def _lines(connection: Connection, broadcast_id: str) -> list[BatchLine]:
    rows = connection.execute(
        select(
            Batch.n, Batch.size, Batch.state, Batch.reason, Batch.errcode, Batch.errmsg,
            Batch.msg_id, Batch.attempts, Batch.not_before,
        )
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(Batch.n)
    )  # fmt: skip
    return [BatchLine(**dict(row)) for row in rows.mappings()]


_LANES = select(
    Lane.account, Lane.not_before, Lane.wait_reason, Lane.stopped_at, Lane.stop_reason,
    Lane.stop_errcode, Lane.stop_errmsg, Lane.halted_at, Lane.halted_by,
)  # fmt: skip


def lanes(engine: Engine) -> tuple[dict[str, LaneView], datetime]:
    """Return every lane by its account, in order, and the moment. Raises DatabaseAwayError."""
    with snapshot(engine) as connection:
        rows = connection.execute(_LANES.order_by(Lane.account)).mappings().all()
        views = {row["account"]: _lane_view(connection, row) for row in rows}
        return views, now(connection)


def going_on(engine: Engine, accounts: Collection[str]) -> list[str]:
    """Return the broadcasts of *accounts* that workers go on with or begin now, oldest first.

    Those of an account that stands still are among them. Raises DatabaseAwayError.
    """
    with read(engine) as connection:
        scheduled = BroadcastRow.state == BroadcastState.SCHEDULED
        due = scheduled & (BroadcastRow.scheduled_at <= now(connection))
        going = BroadcastRow.state.in_([BroadcastState.PLANNING, *BROADCAST_RUNNING])
        rows = connection.scalars(
            select(BroadcastRow.id)
            .where(or_(going, due), BroadcastRow.account.in_(accounts))
            .order_by(BroadcastRow.created_at)
        )
        return list(rows)


def _lane(connection: Connection, account: str) -> LaneView:
    row = connection.execute(_LANES.where(Lane.account == account)).mappings().one()
    return _lane_view(connection, row)


def _lane_view(connection: Connection, lane: Mapping[Any, Any]) -> LaneView:
    """Return what a lane waits for, with what the history knows of it."""
    row = dict(lane)
    account = row.pop("account")
    why = voices.halt_why(connection, account) if row["halted_at"] else None
    doubts = row["stop_reason"] is Reason.TOO_MANY_DOUBTS
    last = tripped.last(connection, account=account) if doubts else None
    return LaneView(
        **row,
        halted_why=why,
        stop_count=last.count if last else None,
        stop_broadcasts=last.broadcasts if last else (),
    )


def _refusals(connection: Connection, row: AnyRow) -> int | None:
    if row.reason is not Reason.TOO_MANY_REFUSALS:
        return None
    last = tripped.last(connection, broadcast_id=row.id)
    return last.count if last else None


def repeats(engine: Engine, broadcast_id: str) -> list[Repeat]:
    """Return the calls that had to be made again, and what each of them ended as."""
    with read(engine) as connection:
        rows = connection.execute(
            select(
                Batch.n, AttemptRow.number, AttemptRow.outcome, AttemptRow.errcode,
                AttemptRow.transport,
            )
            .join(Batch, Batch.id == AttemptRow.batch_id)
            .where(Batch.broadcast_id == broadcast_id, AttemptRow.number < Batch.attempts)
            .order_by(Batch.n, AttemptRow.number)
        )  # fmt: skip
        return [Repeat(**dict(row)) for row in rows.mappings()]


def skipped(engine: Engine, broadcast_id: str) -> dict[str, list[tuple[int, str]]]:
    """Return the first skipped lines of a broadcast by reason, with their line numbers."""
    with read(engine) as connection:
        rows = connection.execute(
            select(Skipped.reason, Skipped.sample).where(Skipped.broadcast_id == broadcast_id)
        )
        return {reason: [(line, text) for line, text in json.loads(sample)]
                for reason, sample in rows}  # fmt: skip
