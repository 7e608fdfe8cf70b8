"""What stories of calls have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select

from broadcast.call.result import CallResult
from models import Event
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.ledger import lanes
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver

SOON = timedelta(seconds=3)
OVER = lanes.LEASE + timedelta(seconds=1)


def lost_then(driver: Driver, *facts: CallResult) -> None:
    """Lose the reply of the first call, then answer the repeats."""
    driver.call(LOST)
    for fact in facts:
        ledger.pass_time(driver.engine, SOON)
        driver.call(fact)


def lane(engine: Engine) -> Any:
    """Return the row of the only lane."""
    with engine.connect() as connection:
        return connection.execute(select(Lane.__table__)).one()


def snapshot(engine: Engine) -> dict[str, list[Any]]:
    """Return what a second record of the same fact must not change."""
    with engine.connect() as connection:
        return {
            table.__tablename__: list(connection.execute(select(table.__table__)).all())
            for table in (Batch, AttemptRow, Lane, Event)
        }


def take_over(driver: Driver) -> Driver:
    """Let the lane's lease run out and another driver take it."""
    ledger.pass_time(driver.engine, OVER)
    return Driver(driver.engine, owner="second")
