"""Reports: the state of a broadcast, added up from its batches at the time of asking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, bindparam, func, or_, select

from broadcast.call.outcomes import Outcome
from broadcast.call.path import SendPath
from broadcast.finish import Delivered
from broadcast.gates.gate import Gate, closed
from broadcast.gates.shown import shown_state
from broadcast.reasons import Reason
from broadcast.reports import SETS, SKIPS, BatchLine, LaneView, Repeat, Report
from broadcast.states import BatchState, BroadcastState, Phase
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import IS_A_CALL, Batch
from models.broadcast import BroadcastRow, Submission
from models.engine import now
from models.ledger.reading import (
    closed_gates,
    drafts,
    driven,
    finishes,
    first_calls,
    history,
    ids,
    media,
)
from models.ledger.reading.driven import Place
from models.ledger.reading.recipients import set_of
from models.ledger.reading.untouched import IS_FIXED
from models.ledger.rows import HeldLane, columns, every, first
from models.ledger.transaction import read, snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A broadcast's own row, as far as a report needs it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """How many batches of a broadcast are in one state."""

    broadcast_id: str
    state: BatchState
    count: int
    size: int | None
    attempts: int
    polled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """What a lane waits for."""

    account: str
    not_before: datetime | None
    wait_reason: Reason | None


@dataclass(frozen=True, slots=True)
class _Around:
    """What several broadcasts have around them, read with a statement a kind."""

    counts: Mapping[str, Sequence[_Count]]
    not_called: Mapping[str, int]
    delivered: Mapping[str, Delivered]
    gates: Mapping[str | None, Sequence[Gate]]
    lanes: Mapping[str, LaneView]
    files: Mapping[str, Sequence[str]]
    now: datetime


def report(engine: Engine, broadcast_id: str, *, whole: bool = True) -> Report:
    """Return the report of a broadcast. Raises UnknownIdError, naming near ids."""
    with snapshot(engine) as connection:
        return of(connection, broadcast_id, whole=whole)


def of(connection: Connection, broadcast_id: str, *, whole: bool = True) -> Report:
    """Do the work of :func:`report` in a transaction that sees one moment.

    The whole has the batches too, what people did, and what goes before it or keeps it waiting.
    """
    row = first(connection, _BROADCAST, _Row, {"id": broadcast_id})
    if row is None:
        raise ids.unknown(connection, broadcast_id)
    around = _around(connection, [row])
    if not whole:
        return _report(row, around)
    return replace(
        _report(row, around),
        batch_list=_lines(connection, row.id),
        operator_actions=history.operator_actions(
            connection, row.id, row.account, since=row.created_at, until=row.finished_at
        ),
        draft=drafts.of(connection, row.id),
        driven=driven.of(connection, _place(row), around.now),
        first_call=first_calls.read(connection, row.id),
    )


# Built once: building a statement costs more than running it, and each submit runs this one.
_BROADCAST = select(*columns(_Row, BroadcastRow)).where(BroadcastRow.id == bindparam("id"))


def of_new(
    connection: Connection, values: Mapping[str, Any], *, lane: HeldLane, moment: datetime
) -> Report:
    """Return the report of a broadcast from the values that the caller has just inserted.

    *lane*: held by the same transaction. Nothing but gates of the account can forbid its calls.
    """
    whole = {**_FRESH, **values}
    row = _Row(**{each.name: whole[each.name] for each in fields(_Row)})
    view = LaneView(
        not_before=lane.not_before, wait_reason=lane.wait_reason,
        gates=tuple(closed_gates.of(connection, row.account)),
    )  # fmt: skip
    files = media.files(connection, {row.id: row.content})
    return _report(row, _Around({}, {}, {}, {}, {row.account: view}, files, moment))


_FRESH = dict.fromkeys(SKIPS, 0) | dict.fromkeys(("result", "started_at", "finished_at"))


def _place(row: _Row) -> Place:
    return Place(
        id=row.id, account=row.account, phase=row.phase, priority=row.priority,
        published_at=row.published_at, moved_at=row.moved_at, created_at=row.created_at,
    )  # fmt: skip


def reports(
    engine: Engine,
    *,
    account: str | None = None,
    accounts: Collection[str] | None = None,
    key: str | None = None,
    before: tuple[datetime, str] | None = None,
    awaited_only: bool = False,
    most: int = 50,
) -> list[Report]:
    """Return the newest broadcasts, without their batch lists, in a handful of statements.

    Of *account* alone, of *accounts* alone, those with *key*, those older than *before*: a moment
    of creation and an id. An upload whose key another broadcast got is on its way out, and none of
    them; *awaited_only*: nor is one that nobody was given the id of.
    """
    query = (
        select(*columns(_Row, BroadcastRow))
        .where(_AWAITED if awaited_only else _IN_SIGHT)
        .order_by(BroadcastRow.created_at.desc(), BroadcastRow.id.desc())
        .limit(most)
    )
    if account is not None:
        query = query.where(BroadcastRow.account == account)
    if accounts is not None:
        query = query.where(BroadcastRow.account.in_(accounts))
    if key is not None:
        query = query.where(BroadcastRow.key == key)
    if before is not None:
        at, last = before
        same = and_(BroadcastRow.created_at == at, BroadcastRow.id < last)
        query = query.where(or_(BroadcastRow.created_at < at, same))
    with snapshot(engine) as connection:
        rows = every(connection, query, _Row)
        around = _around(connection, rows)
        return [_report(row, around) for row in rows]


#: Whose the key of a broadcast is.
_HOLDER = (
    select(Submission.broadcast_id)
    .where(Submission.account == BroadcastRow.account, Submission.key == BroadcastRow.key)
    .correlate(BroadcastRow)
    .scalar_subquery()
)
_STORED = BroadcastRow.phase != Phase.UPLOADING
_AWAITED = or_(_STORED, BroadcastRow.id == _HOLDER)
_IN_SIGHT = or_(_STORED, func.coalesce(_HOLDER, BroadcastRow.id) == BroadcastRow.id)


def _around(connection: Connection, rows: Sequence[_Row]) -> _Around:
    ids = [row.id for row in rows]
    # Nobody sees the batches of a plan before it is whole, and none of them was called.
    planned = [row.id for row in rows if row.phase not in _WITHOUT_CALLS]
    gates: dict[str | None, list[Gate]] = defaultdict(list)
    for gate in closed_gates.of_broadcasts(connection, ids):
        gates[gate.broadcast_id].append(gate)
    counts: dict[str, list[_Count]] = defaultdict(list)
    for count in _counts(connection, planned) if planned else ():
        counts[count.broadcast_id].append(count)
    return _Around(
        counts, _not_called(connection, planned) if planned else {},
        finishes.delivered(connection, planned) if planned else {}, gates,
        _lane_views(connection, {row.account for row in rows}),
        media.files(connection, {row.id: row.content for row in rows}), now(connection),
    )  # fmt: skip


_WITHOUT_CALLS = frozenset({Phase.UPLOADING, Phase.PLANNING})


def _counts(connection: Connection, ids: Sequence[str]) -> Sequence[_Count]:
    query = (
        select(
            Batch.broadcast_id, Batch.state, func.count().label("count"),
            func.sum(Batch.size).label("size"), func.sum(Batch.attempts).label("attempts"),
            func.count(Batch.poll_at).label("polled"),
        )
        .where(Batch.broadcast_id.in_(ids), IS_A_CALL)
        .group_by(Batch.broadcast_id, Batch.state)
    )  # fmt: skip
    return every(connection, query, _Count)


def _not_called(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Count the claims that were given back before anything was called."""
    # A subquery, so that no database reads every attempt that there ever was for them.
    mine = (
        select(func.count())
        .where(AttemptRow.batch_id == Batch.id, AttemptRow.outcome == Outcome.NOT_CALLED)
        .scalar_subquery()
    )
    called_once = Batch.state.in_([BatchState.ACCEPTED, BatchState.FINISHED]) & (
        Batch.attempts == 1
    )
    rows = connection.execute(
        select(Batch.broadcast_id, func.sum(mine))
        .where(Batch.broadcast_id.in_(ids), IS_A_CALL, Batch.attempts > 0, ~called_once)
        .group_by(Batch.broadcast_id)
    )
    return {broadcast_id: int(count) for broadcast_id, count in rows}


def _report(row: _Row, around: _Around) -> Report:
    whole = around.lanes[row.account]
    lane = replace(whole, gates=tuple(gate for gate in whole.gates if gate.concerns(row.path)))
    gates = closed([*around.gates.get(row.id, ()), *lane.gates], around.now)
    schedule = [gate for gate in around.gates.get(row.id, ()) if gate not in gates]
    counts = around.counts.get(row.id, ())
    calls = sum(int(count.attempts) for count in counts) - around.not_called.get(row.id, 0)
    state = shown_state(
        phase=row.phase, result=row.result, gates=gates, called=row.started_at is not None,
        now=around.now,
    )  # fmt: skip
    recipients, batches = _sums(row, counts, cancelled=state is BroadcastState.CANCELLED)
    return Report(
        id=row.id, account=row.account, key=row.key, title=row.title, priority=row.priority,
        version=row.version, phase=row.phase, state=state, gates=[*gates, *schedule],
        msgtype=row.msgtype, content=row.content, files=around.files.get(row.id, ()),
        audience_kind=row.audience_kind, audience_spec=row.audience_spec,
        selection=row.selection, path=row.path,
        audience={"read": row.read} | {name: getattr(row, name) for name in SKIPS}
        | {"planned": row.planned},
        recipients=recipients, batches=batches, batch_list=(), calls=calls,
        results_due=sum(count.polled for count in counts), lane=lane,
        delivered=around.delivered.get(row.id, Delivered()), created_at=row.created_at,
        created_by=row.created_by, published_at=row.published_at, uploading_at=row.uploading_at,
        late_by=timedelta(seconds=row.late_by_s), scheduled_at=row.scheduled_at,
        started_at=row.started_at, finished_at=row.finished_at, now=around.now,
    )  # fmt: skip


def _sums(
    row: _Row, counts: Iterable[_Count], *, cancelled: bool
) -> tuple[dict[str, int | None], dict[str, int]]:
    recipients: dict[str, int | None] = dict.fromkeys(SETS, None if row.planned is None else 0)
    batches = dict.fromkeys(("total", "accepted", "finished", *SETS[1:]), 0)
    seen = 0
    for count in counts:
        if count.state is BatchState.SPLIT:
            continue
        name = set_of(count.state)
        batches["total"] += count.count
        batches[name] += count.count
        if count.state is BatchState.FINISHED:
            batches["finished"] += count.count
        if row.planned is not None:
            recipients[name] = (recipients[name] or 0) + int(count.size or 0)
            seen += int(count.size or 0)
    if row.planned is not None:
        # What is not planned yet waits, or was cancelled before it was.
        name = "cancelled" if cancelled else "waiting"
        recipients[name] = (recipients[name] or 0) + row.planned - seen
    return recipients, batches


def _lines(connection: Connection, broadcast_id: str) -> Sequence[BatchLine]:
    query = (
        select(*columns(BatchLine, Batch, "finish", "is_fixed"), IS_FIXED.label("is_fixed"))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        # What is being planned may still be cut in another way.
        .where(Batch.broadcast_id == broadcast_id, BroadcastRow.phase != Phase.PLANNING, IS_A_CALL)
        .order_by(Batch.n)
    )
    events = finishes.of_batches(connection, broadcast_id)
    lines = every(connection, query, BatchLine)
    return [replace(line, finish=events.get(line.n)) for line in lines] if events else lines


def _lane_views(connection: Connection, accounts: Collection[str] | None) -> dict[str, LaneView]:
    if accounts is None:
        waits = every(connection, _LANES, _Wait)
    else:
        waits = every(connection, _SOME_LANES, _Wait, {"accounts": list(accounts)})
    gates = closed_gates.of_accounts(connection, [wait.account for wait in waits])
    return {
        wait.account: LaneView(
            not_before=wait.not_before, wait_reason=wait.wait_reason,
            gates=tuple(gate for gate in gates if gate.account == wait.account),
        )
        for wait in waits
    }  # fmt: skip


_LANES = select(*columns(_Wait, Lane)).order_by(Lane.account)
_SOME_LANES = _LANES.where(Lane.account.in_(bindparam("accounts", expanding=True)))


def lanes(engine: Engine) -> tuple[dict[str, LaneView], datetime]:
    """Return every lane by its account, in order, and the moment. Raises DatabaseAwayError."""
    with snapshot(engine) as connection:
        return _lane_views(connection, None), now(connection)


def repeats(engine: Engine, broadcast_id: str) -> Sequence[Repeat]:
    """Return the calls that had to be made again, and what each of them ended as."""
    query = (
        select(
            Batch.n, AttemptRow.number, AttemptRow.outcome, AttemptRow.errcode,
            AttemptRow.transport,
        )
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id, AttemptRow.number < Batch.attempts)
        .order_by(Batch.n, AttemptRow.number)
    )  # fmt: skip
    with read(engine) as connection:
        return every(connection, query, Repeat)
