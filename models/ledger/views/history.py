"""What the history shows of a broadcast: a log for people, by which nothing is decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, or_, select

from broadcast.enums import recognised
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.gates import shown_states
from broadcast.rules.gates.shown_states import Became, Past
from broadcast.rules.reports import Conflict, Did, OperatorAction, OperatorActions, Report
from broadcast.rules.states import Reason
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.event import Event
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import read, snapshot
from models.ledger.steer import recorded_hand_calls
from models.ledger.views import broadcast_reports

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
    count = connection.scalar(select(func.count()).select_from(Event).where(wanted)) or 0
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
        at=at, who=who, why=facts.get("why"), account=account, did=recognised(Did, facts["did"]),
        batch=facts.get("n"), sent=sent if "n" in facts else None, msg_id=facts.get("msg_id"),
        batches=facts.get("batches"), article=facts.get("article"), through=facts.get("through"),
    )  # fmt: skip


def conflicts(engine: Engine, broadcast_id: str) -> list[Conflict]:
    """Return where WeChat said otherwise than a person, oldest first."""
    with read(engine) as connection:
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
    own = connection.execute(query.where(Event.broadcast_id == broadcast_id)).all()
    since = after or min((row.id for row in own), default=None)
    of_account = [] if since is None else connection.execute(
        query.where(
            Event.broadcast_id.is_(None), Event.account == account, Event.id > since
        )
    ).all()  # fmt: skip
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
    became: Sequence[Became]


@dataclass(slots=True)
class Followed:
    """One broadcast that somebody follows."""

    engine: Engine
    id: str
    past: Past | None = field(default=None, init=False)

    def version(self) -> int | None:
        """Return what is raised whenever something of it is written; None: it is there no more."""
        query = select(BroadcastRow.version).where(BroadcastRow.id == self.id)
        with read(self.engine) as connection:
            return connection.scalar(query)

    def see(self) -> Seen:
        """Look at it; the first look begins with its submit. Raises UnknownIdError."""
        with snapshot(self.engine) as connection:
            report = broadcast_reports.of(connection, self.id, whole=False)
            if self.past is None:
                self.past = Past(path=report.path)
            after = self.past.place.line
            lines = state_lines(connection, self.id, report.account, after=after)
            if not after and lines:
                gates = closed_gates.of_account_at(connection, report.account, lines[0].at)
                self.past.stood(gate for gate in gates if gate.concerns(report.path))
        became = self.past.follow(lines, started_at=report.started_at, now=report.now)
        return Seen(report=report, became=list(became))
