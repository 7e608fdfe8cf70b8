"""When a broadcast is planned, what is seen of it meanwhile, and what a cancel costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import SETS
from broadcast.rules.states import BatchState, BroadcastState, Phase
from models.ledger.lane import next_work
from models.ledger.lane.next_work import Kind
from models.ledger.lists import recipients
from models.ledger.plan import plans
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import close
from tests.kit import ledger
from tests.kit.ledger import Driver

WHO = "a person"
HOUR = timedelta(hours=1)

RUNS: dict[str, Callable[[Engine, str], object]] = {
    "pause": lambda engine, one: operator.pause(engine, one, who=WHO),
    "hold": lambda engine, one: close(engine, GateKind.HOLD, broadcast_id=one),
    "breaker": lambda engine, one: close(engine, GateKind.BREAKER, broadcast_id=one),
    "halt": lambda engine, _: operator.halt(engine, "default", who=WHO),
    "stop": lambda engine, _: close(engine, GateKind.STOP),
}


@pytest.mark.parametrize("gate", RUNS)
def test_it_is_planned_behind_gates_that_forbid_its_calls_alone(engine: Engine, gate: str) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    RUNS[gate](engine, broadcast_id)
    assert sweeps.due(engine).plans == [broadcast_id]

    ledger.planned(engine, broadcast_id)

    told = broadcast_reports.report(engine, broadcast_id)
    assert told.phase is Phase.SENDING
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 2}
    assert Driver(engine).next().kind is Kind.REST
    ledger.pass_time(engine, HOUR)
    assert sweeps.due(engine).lanes == []


def test_it_is_not_planned_before_its_time(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(at=datetime.now(UTC) + HOUR))
    assert plans.to_plan(engine, broadcast_id) is None
    assert sweeps.due(engine).plans == []
    ledger.pass_time(engine, HOUR + timedelta(seconds=1))
    assert plans.to_plan(engine, broadcast_id) is not None
    assert sweeps.due(engine).plans == [broadcast_id]


def test_it_is_not_planned_after_a_cancel_that_came_during_the_plan(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    assert plans.add_batches(engine, row, ledger.account(), cuts=cuts[:1])

    operator.cancel(engine, broadcast_id, who=WHO)

    assert not plans.add_batches(engine, row, ledger.account(), cuts=cuts)
    opened = plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=None)
    assert opened is None
    assert plans.to_plan(engine, broadcast_id) is None
    assert sweeps.due(engine).plans == []
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.phase) == (BroadcastState.CANCELLED, Phase.ENDED)
    assert told.recipients["cancelled"] == 20


def test_batches_are_unseen_before_all_of_them_may_be_called(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    driver = Driver(engine)

    for some in (cuts[:1], cuts):
        assert plans.add_batches(engine, row, ledger.account(), cuts=some)
        assert driver.next().kind is Kind.REST
        assert sweeps.due(engine).lanes == []
        told = broadcast_reports.report(engine, broadcast_id)
        assert (told.state, told.batches["total"]) == (BroadcastState.PLANNING, 0)
        assert told.batch_list == []
        assert told.recipients["waiting"] == sum(told.recipients[name] or 0 for name in SETS) == 20
        found = recipients.portions(engine, broadcast_id, "waiting")
        assert sum(len(portion.openids) for portion in found) == 20 * 28

    assert plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=None)
    work = driver.next()
    assert (work.kind, work.n) == (Kind.CALL, 1)
    assert next_work.openids(engine, work) == ledger.packed(ledger.openids(20)[:10])
    assert broadcast_reports.report(engine, broadcast_id).batches["total"] == 2


def test_a_plan_of_which_a_batch_is_missing_opens_nothing(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    assert plans.add_batches(engine, row, ledger.account(), cuts=cuts[1:])

    assert plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=None) is None

    assert broadcast_reports.report(engine, broadcast_id).phase is Phase.PLANNING


# -- what a cancel costs


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Count the statements that are run meanwhile."""
    run: list[str] = []

    def note(*given: object) -> None:
        run.append(str(given[2]))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield run
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_cancel_takes_as_many_statements_for_a_thousand_batches_as_for_two(
    engine: Engine,
) -> None:
    cost = {}
    for batches in (2, 1_000):
        broadcast_id = ledger.broadcast(engine, size=2 * batches, batches=batches)
        with counted(engine) as run:
            assert operator.cancel(engine, broadcast_id, who=WHO)
        cost[batches] = len(run)
        assert ledger.states(engine, broadcast_id) == {BatchState.CANCELLED: batches}

    assert cost[1_000] == cost[2] < 40


def test_a_report_takes_as_many_statements_for_twenty_broadcasts_as_for_two(engine: Engine) -> None:
    cost = []
    for most in (2, 20):
        while len(broadcast_reports.reports(engine)) < most:
            ledger.broadcast(engine)
        with counted(engine) as run:
            assert len(broadcast_reports.reports(engine, most=most)) == most
        cost.append(len(run))

    assert cost[0] == cost[1]
