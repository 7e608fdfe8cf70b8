"""Following a broadcast: whether it changed since it was seen last, and what it was meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from broadcast.frozen import frozen
from broadcast.gates.past import Became, Past
from broadcast.reports import Report
from models.broadcast import BroadcastRow
from models.ledger.reading import closed_gates, history, reports
from models.ledger.transaction import read, snapshot


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
            report = reports.of(connection, self.id, whole=False)
            if self.past is None:
                self.past = Past(path=report.path)
            after = self.past.place.line
            lines = history.state_lines(connection, self.id, report.account, after=after)
            if not after and lines:
                gates = closed_gates.of_account_at(connection, report.account, lines[0].at)
                self.past.stood(gate for gate in gates if gate.concerns(report.path))
        became = self.past.follow(lines, started_at=report.started_at, now=report.now)
        return Seen(report=report, became=list(became))
