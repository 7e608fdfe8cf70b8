"""What a transaction decides by is what is committed, and stays so until its own commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.gates.gate import GateKind
from models.accounts import Lane
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.steer import operator
from tests.kit import ledger

pytestmark = pytest.mark.every_database


def test_a_halt_waits_for_the_commit_of_whoever_has_looked_at_the_lane(engine: Engine) -> None:
    ledger.broadcast(engine)

    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            lane_rows.lock(connection, "default")
            assert closed_gates.gates_of(connection, "default", "") == []
            halting = threads.submit(operator.halt, engine, None, who="test")
            with pytest.raises(TimeoutError):
                halting.result(timeout=1)
        assert halting.result(timeout=240) == ["default"]


def test_a_second_look_in_a_transaction_sees_what_was_committed_meanwhile(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: nothing is committed meanwhile")
    ledger.broadcast(engine)

    with engine.begin() as connection:
        assert closed_gates.gates_of(connection, "default", "") == []
        assert connection.scalar(select(Lane.gate_counter)) == 0
        operator.halt(engine, None, who="test")
        assert [gate.kind for gate in closed_gates.gates_of(connection, "default", "")] == [
            GateKind.HALT
        ]
        assert connection.scalar(select(Lane.gate_counter)) == 1
