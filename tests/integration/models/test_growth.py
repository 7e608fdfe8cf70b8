"""What a call, a sweep and a report cost does not grow with the broadcasts that ended before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.plan.submission import Terms
from models.engine import open_engine
from models.ledger.lane import leases, next_work
from models.ledger.lists import recipients
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.rows import known_accounts
from models.ledger.steer import operator, retries, sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports, in_flight
from tests.integration.models import crowded
from tests.kit import ledger
from tests.kit.ledger import LOST, PLENTY, Driver, said

Statement = tuple[str, Any]


@pytest.fixture(params=[20_000, pytest.param(200_000, marks=pytest.mark.prove)])
def busy(request: pytest.FixtureRequest, url: str) -> Iterator[Engine]:
    """A ledger of so many batches that ended."""
    engine = open_engine(url)
    crowded.crowd(engine, batches=request.param)
    yield engine
    engine.dispose()


@contextmanager
def listening(engine: Engine) -> Iterator[list[Statement]]:
    """Keep every statement that is run meanwhile."""
    heard: list[Statement] = []

    def keep(*call: Any) -> None:
        _connection, _cursor, statement, parameters, _context, many = call
        heard.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", keep)
    yield heard
    event.remove(engine, "before_cursor_execute", keep)


def work(engine: Engine) -> dict[str, Callable[[], object]]:
    """Return what is done all day long, by name, in an order in which each finds something."""
    first = ledger.broadcast(engine, size=400, batches=100)
    waits = ledger.broadcast(engine, size=400, batches=100)
    paused = ledger.broadcast(engine)
    operator.pause(engine, paused, who="tests")
    uncut = ledger.published(engine, ledger.body(text="甲"))
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    leases.release(engine, driver.lease)
    body = ledger.body(text="乙")
    figures = ledger.figures(size=20, batches=2)

    def calls() -> None:
        driver = Driver(engine)
        driver.call(said(0, msg_id=2))
        driver.call(said(40003))
        driver.call(LOST)
        leases.release(engine, driver.lease)

    return {
        "sweep": lambda: sweeps.due(engine),
        "launch": lambda: sweeps.launch_due(engine),
        "expire": lambda: sweeps.doubt_expired(engine),
        "forget": lambda: sweeps.forget_uploads(engine),
        "next work": lambda: next_work.next_work(engine, "default"),
        "calls": calls,
        "plan": lambda: ledger.planned(engine, uncut),
        "report": lambda: broadcast_reports.report(engine, waits),
        "list": lambda: broadcast_reports.reports(engine),
        "list of one account": lambda: broadcast_reports.reports(engine, account="default"),
        "lanes": lambda: broadcast_reports.lanes(engine),
        "going on": lambda: in_flight.going_on(engine, ["default"]),
        "in flight": lambda: in_flight.of_accounts(engine, ["default"]),
        "recipients": lambda: list(recipients.portions(engine, waits, "waiting")),
        "accounts with work": lambda: known_accounts.with_work(engine),
        "accounts with results": lambda: recorded_ends.due_accounts(engine),
        "results": lambda: recorded_ends.due_batches(engine, "default", 9),
        "dry run": lambda: submits.dry_run(
            engine, body, figures=figures, terms=Terms(who="tests"), quota=PLENTY
        ),
        "submit": lambda: ledger.published(engine, body, again=False),
        "resume": lambda: operator.resume(engine, paused, who="tests", quota=PLENTY),
        "pause": lambda: operator.pause(engine, waits, who="tests"),
        "retry": lambda: retries.retry(engine, waits, who="tests"),
        "cancel": lambda: operator.cancel(engine, first, who="tests"),
        "resolve": lambda: resolves.resolve(
            engine, first, doubtful(engine, first), verdict=NotSent(), who="tests"
        ),
        "halt": lambda: operator.halt(engine, "default", who="tests"),
        "unhalt": lambda: operator.unhalt(engine, "default", who="tests"),
    }


def doubtful(engine: Engine, broadcast_id: str) -> int:
    return next(row.n for row in ledger.batches(engine, broadcast_id) if row.state == "in_doubt")


@pytest.mark.every_database
def test_nothing_that_is_done_all_day_reads_a_table_that_grows_from_end_to_end(
    busy: Engine,
) -> None:
    doing = work(busy)
    analyse(busy)
    scans: list[str] = []
    for name, do in doing.items():
        with listening(busy) as heard:
            do()
        for statement, parameters in dict(heard).items():
            tables = scanned(busy, statement, parameters)
            scans.extend(f"{name}: {table}: {' '.join(statement.split())}" for table in tables)
    assert not scans, "\n".join(scans)


def test_list_of_fifty_broadcasts_takes_a_handful_of_statements(busy: Engine) -> None:
    with listening(busy) as heard:
        found = broadcast_reports.reports(busy)
    assert len(found) == 50
    assert len(heard) <= 9, [statement for statement, _ in heard]


@pytest.mark.every_database
def test_cancel_of_a_thousand_batches_takes_a_handful_of_statements(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=2_000, batches=1_000)
    with listening(engine) as heard:
        operator.cancel(engine, broadcast_id, who="tests")
    assert len(heard) <= 40, [statement for statement, _ in heard]


def analyse(engine: Engine) -> None:
    """Let the database know how its tables have grown, as it does by itself in time."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        words = {"mysql": f"ANALYZE TABLE {', '.join(crowded.GROWING)}"}
        connection.exec_driver_sql(words.get(engine.dialect.name, "ANALYZE"))


def scanned(engine: Engine, statement: str, parameters: Any) -> set[str]:
    """Return the tables that grow and of which a statement reads every row."""
    if not re.match("SELECT|UPDATE|DELETE", statement):
        return set()
    with engine.connect() as connection:
        look = {"sqlite": _of_sqlite, "postgresql": _of_postgresql, "mysql": _of_mysql}
        # The first of an order is read by an index and a limit.
        found = look[engine.dialect.name](connection, statement, parameters)
        return {table for table, whole in found if table in crowded.GROWING and whole}


def _of_sqlite(
    connection: Connection, statement: str, parameters: Any
) -> Iterator[tuple[str, bool]]:
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    for row in rows:
        seen = re.match(r"SCAN (\w+)( USING (COVERING )?INDEX)?", row[3])
        if seen:
            yield seen[1], not (seen[2] and "LIMIT" in statement)


def _of_postgresql(
    connection: Connection, statement: str, parameters: Any
) -> Iterator[tuple[str, bool]]:
    said = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar()
    plans: list[Any] = [json.loads(said) if isinstance(said, str) else said]
    while plans:
        plan = plans.pop()
        if isinstance(plan, list):
            plans.extend(plan)
            continue
        plans.extend(plan[key] for key in ("Plan", "Plans") if key in plan)
        if "Relation Name" in plan and plan.get("Node Type") != "ModifyTable":
            bounded = {"Index Cond", "Recheck Cond"} & set(plan) or "LIMIT" in statement
            # It holds what is still to be asked about, and nothing else.
            bounded = bounded or plan.get("Index Name") == "ix_bc_batches_poll_at"
            yield plan["Relation Name"], plan["Node Type"] == "Seq Scan" or not bounded


def _of_mysql(
    connection: Connection, statement: str, parameters: Any
) -> Iterator[tuple[str, bool]]:
    for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings():
        if row["type"] in {"ALL", "index"}:
            yield str(row["table"]), not (row["type"] == "index" and "LIMIT" in statement)
