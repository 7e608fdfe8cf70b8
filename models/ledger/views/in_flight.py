"""In flight: calls that are under way. No command stops them; each ends by its reply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, and_, select

from broadcast.frozen import alike, frozen
from broadcast.rules.gates.blockers import is_going_out, waits_for_a_person
from broadcast.rules.gates.gate import Gate, GateKind, closed
from broadcast.rules.reports import InFlight, Report
from broadcast.rules.states import OPEN_PHASES, BatchState
from models.accounts import Lane
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import at_one_moment, read, reading
from models.ledger.views import broadcast_reports


@frozen
class Waiting:
    """The broadcasts of one account that have more to be called, oldest first."""

    going: list[str] = field(default_factory=list)
    #: Paused or held: the end of a halt lets none of them go on.
    kept_back: list[str] = field(default_factory=list)
    #: Those that wait for a time alone, such as another day: no halt is what they wait for.
    by_time: list[str] = field(default_factory=list)
    #: Those whose time is to come, each with it.
    scheduled: list[tuple[str, datetime]] = field(default_factory=list)


@at_one_moment
def beside_report(connection: Connection, broadcast_id: str) -> tuple[Report, list[InFlight]]:
    """Return the report of a broadcast and its calls under way, of one and the same moment.

    A call that ends between two looks would be in neither. Raises UnknownIdError.
    """
    report = broadcast_reports.report_in(connection, broadcast_id)
    return report, _flights(connection, Batch.broadcast_id == broadcast_id, report.now)


@reading
def of_accounts(connection: Connection, accounts: Collection[str]) -> list[InFlight]:
    """Return the calls of some accounts that are under way."""
    return _flights(connection, Batch.account.in_(accounts), now(connection))


def _flights(
    connection: Connection, whose: ColumnElement[bool], moment: datetime
) -> list[InFlight]:
    return [
        alike(
            InFlight, row, driven=bool(row.his and row.leased_until and row.leased_until > moment)
        )
        for row in connection.execute(_FLIGHTS.where(whose))
    ]


def waiting(engine: Engine, accounts: Collection[str]) -> dict[str, Waiting]:
    """Return what of some accounts has more to be called; nothing of an account that has none."""
    found: dict[str, Waiting] = {}
    for one in _unfinished(engine, accounts):
        there = found.setdefault(one.account, Waiting())
        if one.until is not None:
            there.scheduled.append((one.id, one.until))
        elif one.by_time:
            there.by_time.append(one.id)
        else:
            (there.kept_back if one.kept_back else there.going).append(one.id)
    return found


@frozen
class _Unfinished:
    """A broadcast that is not called off and has not ended."""

    account: str
    id: str
    #: Its time, where that is to come.
    until: datetime | None
    #: Whether another gate of its own is closed; its undo window alone is over soon.
    kept_back: bool
    #: Whether each of those opens at its time.
    by_time: bool


def _unfinished(engine: Engine, accounts: Collection[str]) -> Iterator[_Unfinished]:
    """Yield the broadcasts that have more to be called, oldest first."""
    with read(engine) as connection:
        rows = connection.execute(_OPEN.where(BroadcastRow.account.in_(accounts))).all()
        own: dict[str | None, list[Gate]] = defaultdict(list)
        for gate in closed_gates.of_broadcasts(connection, [row.id for row in rows]):
            own[gate.broadcast_id].append(gate)
        moment = now(connection)
    for row in rows:
        gates = closed(own[row.id], moment)
        kinds = {gate.kind for gate in gates}
        if GateKind.CANCEL not in kinds:
            # One that is paused as well does not go out at its time.
            until = gates[0].until if kinds == {GateKind.SCHEDULE} else None
            kept_back = not is_going_out(gates)
            by_time = kept_back and not waits_for_a_person(gates)
            yield _Unfinished(
                account=row.account, id=row.id, until=until, kept_back=kept_back, by_time=by_time
            )


def going_on(engine: Engine, accounts: Collection[str]) -> list[str]:
    """Return the broadcasts of *accounts* that workers go on with or begin now, oldest first.

    Those of an account that is halted or stopped are among them. Raises DatabaseAwayError.
    """
    return [one.id for one in _unfinished(engine, accounts) if not one.kept_back]


_OPEN = (
    select(BroadcastRow.account, BroadcastRow.id)
    .where(BroadcastRow.phase.in_(OPEN_PHASES))
    .order_by(BroadcastRow.created_at, BroadcastRow.id)
)

_FLIGHTS = (
    select(
        Batch.account,
        Batch.broadcast_id,
        Batch.n,
        Batch.size,
        AttemptRow.started_at.label("since"),
        Lane.leased_until,
        (Lane.fence == AttemptRow.fence).label("his"),
    )
    .join(AttemptRow, and_(AttemptRow.batch_id == Batch.id, AttemptRow.number == Batch.attempts))
    .join(Lane, Lane.account == Batch.account)
    .filter_by(state=BatchState.CALLING)
    .order_by(Batch.account, Batch.broadcast_id, Batch.n)
)
