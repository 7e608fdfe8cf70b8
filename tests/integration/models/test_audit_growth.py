"""What an audit of one broadcast costs does not grow with what else the ledger has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from models.ledger.audit import audit_run
from models.ledger.lane import leases
from tests.integration.models.tampering import ON_SQLITE, WAITS
from tests.kit import ledger
from tests.kit.ledger import Driver, said

pytestmark = ON_SQLITE


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Give the statements that are run meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def called(engine: Engine, batches: int) -> str:
    """Return a broadcast of which half was called."""
    broadcast_id = ledger.broadcast(engine, size=4 * batches, batches=batches)
    driver = Driver(engine)
    for n in range(batches // 2):
        driver.call(said(0, msg_id=1_000 * batches + n))
    leases.release(engine, driver.lease)
    return broadcast_id


def test_statements_do_not_grow_with_the_batches(engine: Engine) -> None:
    few, many = called(engine, 2), called(engine, 20)
    counts = []
    for broadcast_id in (few, many):
        with statements(engine) as seen:
            assert audit_run.audit(engine, broadcast_id, waits=WAITS).findings == []
        counts.append(len(seen))

    assert counts[0] == counts[1]


def test_no_table_is_read_whole(engine: Engine) -> None:
    broadcast_id = called(engine, 4)
    with statements(engine) as seen:
        audit_run.audit(engine, broadcast_id, waits=WAITS)

    plans = []
    with engine.connect() as connection:
        for statement, parameters in seen:
            if statement.startswith("SELECT"):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [row.detail for row in rows]
    assert any(plan.startswith("SEARCH bc_attempts USING INTEGER PRIMARY KEY") for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN bc_")] == []
