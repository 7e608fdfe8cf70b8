"""Reports: the state of a broadcast, added up from its batches at the time of asking."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, or_, select

from broadcast.enums import recognised
from broadcast.frozen import alike, frozen
from broadcast.names import EventKind
from broadcast.rules.gates import shown_states
from broadcast.rules.gates.gate import GateScope, closed
from broadcast.rules.gates.shown_states import StateChange, StateReplay
from broadcast.rules.reports import (
    SKIPS,
    BatchLine,
    Conflict,
    Did,
    LaneView,
    OperatorAction,
    OperatorActions,
    Repeat,
    Report,
)
from broadcast.rules.states import Phase, Reason
from models.accounts import Lane
from models.base import among, count_of, value_of
from models.batch_tables import IS_A_CALL, AttemptRow, Batch
from models.broadcast_tables import BroadcastRow, Submission
from models.engine import now
from models.event import Event
from models.ledger.gates import drafts
from models.ledger.lane import next_work
from models.ledger.lane.call_history import IS_FIXED
from models.ledger.lane.next_work import QueuePosition
from models.ledger.outcomes import job_lookup
from models.ledger.rows import closed_gates, figures
from models.ledger.rows.figures import Figures, ReportedRow
from models.ledger.rows.transaction import (
    LockedLane,
    at_one_moment,
    every_row,
    read,
    reading,
    selected,
    snapshot,
)
from models.ledger.steer import recorded_hand_calls

if TYPE_CHECKING:
    from broadcast.rules.plan.submission import Published


@frozen
class _Wait:
    """Wait of a lane."""

    account: str
    not_before: datetime | None
    wait_reason: Reason | None


@at_one_moment
def report(connection: Connection, broadcast_id: str, *, whole: bool = True) -> Report:
    """Return the report of a broadcast. Raises UnknownIdError, naming near ids."""
    return report_in(connection, broadcast_id, whole=whole)


def _files(connection: Connection, contents: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """Return the names of the media of contents, by the contents' own keys."""
    if not any("media_id" in content for content in contents.values()):
        return {}
    from models.ledger.lists import media  # noqa: PLC0415 - most broadcasts are texts

    return media.files(connection, contents)


def report_in(connection: Connection, broadcast_id: str, *, whole: bool = True) -> Report:
    """Do the work of :func:`report` in a transaction that sees one moment.

    The whole has the batches too, what people did, and what goes before it or keeps it waiting.
    """
    found = figures.figures_of(connection, broadcast_id)
    row = found.row
    files = _files(connection, {row.id: row.content})
    report = of_figures(found, files.get(row.id, ()))
    if not whole:
        return report
    return replace(
        report,
        batch_list=_lines(connection, row.id),
        operator_actions=operator_actions(
            connection, row.id, row.account, since=row.created_at, until=row.finished_at
        ),
        draft=drafts.draft_of_broadcast(connection, row.id),
        driven=next_work.driven_of(connection, _queue_position(row), row.now),
        first_call=None
        if row.published_at is None
        else closed_gates.read_first_call(connection, row.id),
    )


def of_new(
    connection: Connection, values: Mapping[str, Any], *, published: Published, lane: LockedLane
) -> Report:
    """Return the report of a broadcast from the values that the caller has just inserted.

    *lane*: locked by the same transaction. Nothing but gates of the account can forbid its calls.
    """
    if published.scheduled:
        # Its gate has raised its version.
        return report_in(connection, values["id"], whole=False)
    moment = published.now
    waits = {"not_before": lane.not_before, "wait_reason": lane.wait_reason, "now": moment}
    whole = {**_FRESH, **values, **waits}
    row = ReportedRow(**{each.name: whole[each.name] for each in fields(ReportedRow)})
    gates = [
        gate for gate in closed_gates.gates_of(connection, row.account) if gate.concerns(row.path)
    ]
    files = _files(connection, {row.id: row.content})
    return of_figures(Figures(row=row, gates=gates), files.get(row.id, ()))


_FRESH = dict.fromkeys(SKIPS, 0) | dict.fromkeys(
    ("result", "started_at", "finished_at", "pruned_at")
)


def _queue_position(row: ReportedRow) -> QueuePosition:
    return alike(QueuePosition, row)


@at_one_moment
def reports(
    connection: Connection,
    *,
    account: str | None = None,
    accounts: Collection[str] | None = None,
    ids: Collection[str | None] | None = None,
    key: str | None = None,
    before: tuple[datetime, str] | None = None,
    awaited_only: bool = False,
    most: int = 50,
) -> list[Report]:
    """Return the newest broadcasts, without their batch lists, in a handful of statements.

    Of *account* alone, of *accounts* alone, those of *ids*, those with *key*, those older than
    *before*: a moment of creation and an id. An upload whose key another broadcast got is on its
    way out, and none of them; *awaited_only*: nor is one that nobody was given the id of.
    """
    query = (
        figures.ROWS.where(_AWAITED if awaited_only else _IN_SIGHT)
        .order_by(BroadcastRow.created_at.desc(), BroadcastRow.id.desc())
        .limit(most)
    )
    if account is not None:
        query = query.where(BroadcastRow.account == account)
    query = among(query, BroadcastRow.account, accounts)
    query = among(query, BroadcastRow.id, ids)
    if key is not None:
        query = query.where(BroadcastRow.key == key)
    if before is not None:
        at, last = before
        same = and_(BroadcastRow.created_at == at, BroadcastRow.id < last)
        query = query.where(or_(BroadcastRow.created_at < at, same))
    found = figures.of_rows(connection, every_row(connection, query, ReportedRow))
    files = _files(connection, {one.row.id: one.row.content for one in found})
    return [of_figures(one, files.get(one.row.id, ())) for one in found]


#: Whose the key of a broadcast is.
_HOLDER = (
    select(Submission.broadcast_id)
    .filter_by(account=BroadcastRow.account, key=BroadcastRow.key)
    .correlate(BroadcastRow)
    .scalar_subquery()
)
_STORED = BroadcastRow.phase != Phase.UPLOADING
_AWAITED = or_(_STORED, BroadcastRow.id == _HOLDER)
_IN_SIGHT = or_(_STORED, func.coalesce(_HOLDER, BroadcastRow.id) == BroadcastRow.id)


def of_figures(of: Figures, files: Sequence[str] = ()) -> Report:
    """Return the report that figures make; *files*: what the broadcast's media are called."""
    row, lane = of.row, of.lane
    own = [gate for gate in of.gates if gate.scope is GateScope.BROADCAST]
    gates = closed([*own, *lane.gates], row.now)
    schedule = [gate for gate in own if gate not in gates]
    recipients, batches = of.sums
    return alike(
        Report,
        row,
        state=of.state,
        gates=[*gates, *schedule],
        files=files,
        audience={"read": row.read}
        | {name: getattr(row, name) for name in SKIPS}
        | {"planned": row.planned},
        recipients=recipients,
        batches=batches,
        batch_list=(),
        calls=sum(count.attempts - count.not_called for count in of.counts),
        results_due=sum(count.polled for count in of.counts),
        lane=lane,
        delivered=of.delivered,
        late_by=timedelta(seconds=row.late_by_s),
        operator_actions=None,
        draft=None,
        driven=None,
        first_call=None,
    )


def _lines(connection: Connection, broadcast_id: str) -> Sequence[BatchLine]:
    query = (
        selected(BatchLine, Batch, is_fixed=IS_FIXED)
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        # What is being planned may still be cut in another way.
        .where(Batch.broadcast_id == broadcast_id, BroadcastRow.phase != Phase.PLANNING, IS_A_CALL)
        .order_by(Batch.n)
    )
    events = job_lookup.of_batches(connection, broadcast_id)
    lines = every_row(connection, query, BatchLine)
    return [replace(line, finish=events.get(line.n)) for line in lines] if events else lines


_LANES = selected(_Wait, Lane).order_by(Lane.account)


@at_one_moment
def lanes(connection: Connection) -> tuple[dict[str, LaneView], datetime]:
    """Return every lane by its account, in order, and the moment. Raises DatabaseAwayError."""
    waits = every_row(connection, _LANES, _Wait)
    gates = closed_gates.gates_of_some(connection, [wait.account for wait in waits])
    moment = now(connection)
    views = {
        wait.account: LaneView(
            not_before=wait.not_before,
            wait_reason=wait.wait_reason,
            gates=tuple(gate for gate in gates if gate.account == wait.account),
        )
        for wait in waits
    }
    return views, moment


@reading
def repeats(connection: Connection, broadcast_id: str) -> Sequence[Repeat]:
    """Return the calls that had to be made again, and what each of them ended as."""
    query = (
        selected(Repeat, AttemptRow, n=Batch.n)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id, AttemptRow.number < Batch.attempts)
        .order_by(Batch.n, AttemptRow.number)
    )
    return every_row(connection, query, Repeat)


#: Most actions that are returned one by one; earlier ones are counted.
MOST_ACTIONS = 20


def operator_actions(
    connection: Connection,
    broadcast_id: str,
    account: str,
    *,
    since: datetime,
    until: datetime | None,
    most: int = MOST_ACTIONS,
) -> OperatorActions:
    """Return what people did to a broadcast, and to its account in its time; oldest first."""
    wanted = _on(broadcast_id, account, since=since, until=until)
    rows = connection.execute(
        select(Event.at, Event.who, Event.account, Event.broadcast_id, Event.detail)
        .where(wanted)
        .order_by(Event.id.desc())
        .limit(most)
    ).all()
    count = len(rows)
    if count == most:
        count = count_of(connection, Event, wanted)
    actions = [
        _action(
            row.at,
            row.who,
            detail=row.detail,
            account=row.account if row.broadcast_id is None else None,
        )
        for row in reversed(rows)
    ]
    perhaps = recorded_hand_calls.possibly_recalled(connection, broadcast_id)
    both = sorted([*actions, *perhaps], key=lambda one: one.at)
    shown = both[-most:]
    return OperatorActions(actions=shown, earlier=count + len(perhaps) - len(shown))


def _on(
    broadcast_id: str, account: str, *, since: datetime, until: datetime | None
) -> ColumnElement[bool]:
    # The index leads with the broadcast: lines without one are few.
    on_account = [Event.broadcast_id.is_(None), Event.account == account, Event.at >= since]
    if until is not None:
        on_account.append(Event.at <= until)
    whose = or_(Event.broadcast_id == broadcast_id, and_(*on_account))
    return and_(Event.kind == EventKind.OPERATOR_ACTION, whose)


def _action(at: datetime, who: str, *, account: str | None, detail: str) -> OperatorAction:
    facts = json.loads(detail)
    # What was written before "sent" could lack a msg_id says it by the msg_id.
    sent = facts.get("sent", facts.get("msg_id") is not None)
    return OperatorAction(
        at=at,
        who=who,
        why=facts.get("why"),
        account=account,
        did=recognised(Did, facts["did"]),
        batch=facts.get("n"),
        sent=sent if "n" in facts else None,
        msg_id=facts.get("msg_id"),
        batches=facts.get("batches"),
        article=facts.get("article"),
        through=facts.get("through"),
    )


@reading
def conflicts(connection: Connection, broadcast_id: str) -> list[Conflict]:
    """Return where WeChat said otherwise than a person, oldest first."""
    rows = connection.execute(
        select(Event.at, Event.detail, Batch.n)
        .join(Batch, Batch.id == Event.batch_id)
        .where(Event.broadcast_id == broadcast_id, Event.kind == EventKind.CONFLICT)
        .order_by(Event.id)
    ).all()
    return [_conflict(row.n, row.at, row.detail) for row in rows]


def _conflict(n: int, at: datetime, detail: str) -> Conflict:
    facts = json.loads(detail)
    word = recognised(Reason, facts["word"])
    return Conflict(n=n, at=at, word=word, msg_id=facts["msg_id"])


def state_lines(
    connection: Connection, broadcast_id: str, account: str, *, after: int = 0
) -> list[shown_states.Line]:
    """Return the lines since its submit that can change its state, those behind line *after*."""
    # Two statements, each with the index: lines without a broadcast are few.
    query = select(Event.id, Event.at, Event.kind, Event.detail).where(
        Event.id > after, Event.kind.in_(sorted(shown_states.KINDS))
    )
    own = connection.execute(query.filter_by(broadcast_id=broadcast_id)).all()
    since = after or min((row.id for row in own), default=None)
    of_account = (
        []
        if since is None
        else connection.execute(
            query.where(Event.broadcast_id.is_(None), Event.account == account, Event.id > since)
        ).all()
    )
    lines = [_line(row, own=True) for row in own] + [_line(row, own=False) for row in of_account]
    return sorted(lines, key=lambda line: line.id)


def _line(row: Row[int, datetime, EventKind, str], *, own: bool) -> shown_states.Line:
    return shown_states.Line(
        id=row.id, at=row.at, kind=row.kind, own=own, facts=json.loads(row.detail)
    )


@frozen
class Seen:
    """A broadcast as it stands, and the states that it came to since it was seen before."""

    report: Report
    became: Sequence[StateChange]


@dataclass(slots=True)
class Followed:
    """One broadcast that somebody follows."""

    engine: Engine
    id: str
    past: StateReplay | None = field(default=None, init=False)

    def version(self) -> int | None:
        """Return what is raised whenever something of it is written; None: it is there no more."""
        with read(self.engine) as connection:
            return value_of(connection, self.id, BroadcastRow.version)

    def see(self) -> Seen:
        """Look at it; the first look begins with its submit. Raises UnknownIdError."""
        with snapshot(self.engine) as connection:
            report = report_in(connection, self.id, whole=False)
            if self.past is None:
                self.past = StateReplay(path=report.path)
            after = self.past.cursor.line
            lines = state_lines(connection, self.id, report.account, after=after)
            if not after and lines:
                gates = closed_gates.of_account_at(connection, report.account, lines[0].at)
                self.past.start_with(gate for gate in gates if gate.concerns(report.path))
        became = self.past.follow(lines, started_at=report.started_at, now=report.now)
        return Seen(report=report, became=list(became))
