"""What stories of calls have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.gates.gate import Gate, GateKind
from broadcast.rules.states import Reason
from models.accounts import Lane
from models.batch_tables import AttemptRow, Batch
from models.engine import now
from models.every_table import Event, GateRow
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import WORKER, read, write
from models.ledger.steer import operator
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver

SOON = timedelta(seconds=3)
OVER = lane_rows.LEASE + timedelta(seconds=1)


def lost_then(driver: Driver, *facts: CallResult) -> None:
    """Lose the reply of the first call, then answer the repeats."""
    driver.call(LOST)
    for fact in facts:
        ledger.pass_time(driver.engine, SOON)
        driver.call(fact)


def doubt(driver: Driver) -> None:
    """End the next batch in doubt: its reply was lost, and then WeChat refuses the account."""
    lost_then(driver, ledger.said(48001))
    operator.unhalt(driver.engine, None, who="tests")


def lane(engine: Engine) -> Any:
    """Return the row of the only lane."""
    with engine.connect() as connection:
        return connection.execute(select(Lane.__table__)).one()


def close(engine: Engine, kind: GateKind, *, account: str = "default", **facts: Any) -> bool:
    """Close a gate of the account, or of what *facts* name; return whether it was open."""
    closing = Closing(kind=kind, **{"who": WORKER, **facts})

    def work(connection: Any) -> bool:
        lane_rows.lock(connection, account)
        return gate_changes.close(connection, account, closing)

    return write(engine, work)


def standing_gates(
    engine: Engine, broadcast_id: str = "", *, account: str = "default"
) -> list[Gate]:
    """Return the gates that nobody opened: of the account, its paths, and one broadcast."""
    with read(engine) as connection:
        return closed_gates.gates_of(connection, account, broadcast_id)


def kinds(engine: Engine, broadcast_id: str = "", *, account: str = "default") -> set[GateKind]:
    """Return the kinds of the gates that nobody opened."""
    return {gate.kind for gate in standing_gates(engine, broadcast_id, account=account)}


def the_gate(engine: Engine, kind: GateKind, broadcast_id: str = "") -> Gate:
    """Return the one gate of a kind that nobody opened."""
    [gate] = [gate for gate in standing_gates(engine, broadcast_id) if gate.kind is kind]
    return gate


def let_wait(engine: Engine, pause: timedelta, *, reason: Reason = Reason.THROTTLED) -> None:
    """Let the lane wait from now on."""

    def work(connection: Any) -> None:
        lane_rows.lock(connection, "default")
        lane_rows.wait(connection, "default", until=now(connection) + pause, reason=reason)
        lane_rows.refresh_due(connection, "default")

    write(engine, work)


def snapshot(engine: Engine) -> dict[str, list[Any]]:
    """Return what a second record of the same fact must not change."""
    with engine.connect() as connection:
        return {
            table.__tablename__: list(connection.execute(select(table.__table__)).all())
            for table in (Batch, AttemptRow, Lane, GateRow, Event)
        }


def take_over(driver: Driver) -> Driver:
    """Let the lane's lease run out and another driver take it."""
    ledger.pass_time(driver.engine, OVER)
    return Driver(driver.engine, owner="second")
