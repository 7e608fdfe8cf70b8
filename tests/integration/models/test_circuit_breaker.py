"""What repeats itself stops by itself, others go on, and a person's word begins the count anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from broadcast.rules.accounts import Account
from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.waits import REPEAT_WINDOW, UNKNOWN_TRIES, CircuitBreaker, Tuning
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.every_table import BroadcastRow, GateRow
from models.ledger.lane.next_work import Kind
from models.ledger.outcomes import resolves
from models.ledger.steer import operator, retries, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import OVER, SOON, kinds, lost_then, the_gate
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def in_pairs(engine: Engine, owner: Account | None = None) -> str:
    """Six batches that are too small to be halved."""
    return ledger.broadcast(engine, size=12, batches=6, owner=owner)


def in_eights(engine: Engine) -> str:
    """Six batches that are halved when WeChat refuses their recipients."""
    return ledger.broadcast(engine, size=48, batches=6)


@pytest.fixture
def pairs(engine: Engine) -> str:
    """A broadcast of six batches that are too small to be halved."""
    return in_pairs(engine)


@pytest.fixture
def driver(engine: Engine, pairs: str) -> Driver:
    """The driver of its lane."""
    del pairs
    return Driver(engine)


def refuse(driver: Driver, *errcodes: int) -> None:
    for errcode in errcodes:
        driver.call(said(errcode))


def doubt(driver: Driver, times: int = 1) -> None:
    """End the next batches in doubt."""
    for _ in range(times):
        lost_then(driver, said(40130))


def state(engine: Engine, broadcast_id: str) -> BroadcastState:
    return broadcast_reports.report(engine, broadcast_id).state


def breakers(engine: Engine) -> list[Any]:
    """Return the gates that the circuit breaker closed, opened or not."""
    with engine.connect() as connection:
        query = select(GateRow.__table__).where(
            GateRow.kind == GateKind.BREAKER, GateRow.count.is_not(None)
        )
        return list(connection.execute(query.order_by(GateRow.id)).all())


def is_stopped(engine: Engine) -> bool:
    return bool(kinds(engine) & {GateKind.STOP, GateKind.BREAKER})


# -- refusals


def test_the_third_refusal_of_a_kind_pauses_the_broadcast_and_the_next_goes_on(
    engine: Engine, driver: Driver, pairs: str
) -> None:
    other = in_pairs(engine)
    refuse(driver, 40003, 40003)
    assert state(engine, pairs) is BroadcastState.SENDING

    refuse(driver, 40003)

    told = broadcast_reports.report(engine, pairs)
    assert told.state is BroadcastState.PAUSED
    assert told.recipients["refused"] == told.recipients["waiting"] == 6
    gate = the_gate(engine, GateKind.BREAKER, pairs)
    assert (gate.reason, gate.errcode, gate.count) == (Reason.TOO_MANY_REFUSALS, 40003, 3)
    assert (gate.broadcast_id, gate.broadcasts, gate.closed_by) == (pairs, (pairs,), "worker")
    assert driver.next().broadcast_id == other


def test_refusals_of_several_kinds_are_not_added_up(
    engine: Engine, driver: Driver, pairs: str
) -> None:
    refuse(driver, 40003, 43004, 40003, 43004)
    assert state(engine, pairs) is BroadcastState.SENDING
    refuse(driver, 43004)
    assert the_gate(engine, GateKind.BREAKER, pairs).errcode == 43004


@pytest.mark.parametrize("go_on", [operator.resume, retries.retry])
def test_after_a_persons_word_only_later_refusals_count(
    engine: Engine, driver: Driver, pairs: str, go_on: Any
) -> None:
    refuse(driver, 40003, 40003, 40003)
    go_on(engine, pairs, who="a person")

    refuse(driver, 40003, 40003)

    assert state(engine, pairs) is BroadcastState.SENDING
    driver.call(said(0, msg_id=6))
    assert state(engine, pairs) is BroadcastState.PARTIAL


def test_it_pauses_again_after_as_many_once_more(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=16, batches=8)
    driver = Driver(engine)
    for _ in range(2):
        refuse(driver, 40003, 40003, 40003)
        assert the_gate(engine, GateKind.BREAKER, broadcast_id).count == 3
        operator.resume(engine, broadcast_id, who="a person")
    assert len(breakers(engine)) == 2
    assert driver.next().kind is Kind.CALL


def test_a_broadcast_whose_last_batch_was_refused_has_failed_and_is_not_paused(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=6, batches=3)
    refuse(Driver(engine), 40003, 40003, 40003)
    assert state(engine, broadcast_id) is BroadcastState.FAILED
    assert breakers(engine) == []


def test_a_wrong_list_is_paused_before_its_halves_are_called(engine: Engine) -> None:
    broadcast_id = in_eights(engine)
    driver = Driver(engine)

    refuse(driver, 40003, 40003, 40003)

    assert ledger.states(engine, broadcast_id)[BatchState.SPLIT] == 3
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.PAUSED
    assert the_gate(engine, GateKind.BREAKER, broadcast_id).count == 3
    assert told.recipients == {
        "accepted": 0,
        "refused": 0,
        "cancelled": 0,
        "in_doubt": 0,
        "waiting": 48,
    }


def test_batches_that_are_halved_between_good_ones_pause_nothing(engine: Engine) -> None:
    broadcast_id = in_eights(engine)
    driver = Driver(engine)
    for msg_id in (1, 2, 3):
        refuse(driver, 40003)
        driver.call(said(0, msg_id=msg_id))
    assert ledger.states(engine, broadcast_id)[BatchState.SPLIT] == 3
    assert state(engine, broadcast_id) is BroadcastState.SENDING


def test_good_calls_of_another_broadcast_do_not_begin_the_count_of_halved_ones_anew(
    engine: Engine,
) -> None:
    broadcast_id = in_eights(engine)
    driver = Driver(engine)
    refuse(driver, 40003, 40003)
    urgent = ledger.broadcast(engine)
    with engine.begin() as connection:
        row = BroadcastRow.id == urgent
        connection.execute(update(BroadcastRow).where(row).values(priority=1))
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    assert state(engine, urgent) is BroadcastState.COMPLETED

    refuse(driver, 40003)

    assert state(engine, broadcast_id) is BroadcastState.PAUSED


def test_all_halves_of_one_batch_are_one_refusal(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=32, batches=1)
    driver = Driver(engine)
    while driver.next().kind is Kind.CALL:
        refuse(driver, 40003)
    assert ledger.states(engine, broadcast_id)[BatchState.REFUSED] > 3
    assert state(engine, broadcast_id) is BroadcastState.FAILED
    assert breakers(engine) == []


# -- doubts


def test_the_third_doubt_of_an_account_stops_it_and_other_accounts_go_on(
    engine: Engine, driver: Driver, pairs: str
) -> None:
    other = in_pairs(engine)
    north = in_pairs(engine, ledger.account("north"))
    doubt(driver, 2)
    operator.pause(engine, pairs, who="a person")
    assert driver.next().broadcast_id == other

    doubt(driver)

    told = broadcast_reports.report(engine, other)
    [gate] = told.lane.gates
    assert (told.state, gate.kind) == (BroadcastState.HELD, GateKind.BREAKER)
    assert (gate.scope, gate.reason) == (GateScope.ACCOUNT, Reason.TOO_MANY_DOUBTS)
    assert gate.count == 3
    assert sorted(gate.broadcasts) == sorted([pairs, other])
    assert driver.next().kind is Kind.REST
    assert Driver(engine, "north").next().broadcast_id == north
    assert [gate.count for gate in breakers(engine)] == [3]


def test_after_an_unhalt_only_later_doubts_count(
    engine: Engine, driver: Driver, pairs: str
) -> None:
    doubt(driver, 3)
    operator.unhalt(engine, "default", who="a person")

    doubt(driver, 2)

    assert driver.next().kind is Kind.CALL
    assert state(engine, pairs) is BroadcastState.SENDING
    doubt(driver)
    assert the_gate(engine, GateKind.BREAKER).reason is Reason.TOO_MANY_DOUBTS


def test_a_doubt_that_a_person_has_settled_counts_no_more(
    engine: Engine, driver: Driver, pairs: str
) -> None:
    doubt(driver, 2)
    resolves.resolve(engine, pairs, 1, verdict=NotSent(), who="a person")
    resolves.resolve(engine, pairs, 2, verdict=Sent(7), who="a person")

    doubt(driver, 2)

    assert not is_stopped(engine)
    doubt(driver)
    assert the_gate(engine, GateKind.BREAKER).reason is Reason.TOO_MANY_DOUBTS


def test_doubts_of_a_cancel_stop_nobody(engine: Engine) -> None:
    for _ in range(4):
        broadcast_id = in_pairs(engine)
        driver = Driver(engine)
        driver.call(LOST)
        operator.cancel(engine, broadcast_id, who="a person")
        ledger.pass_time(engine, OVER)
    assert not is_stopped(engine)


def test_a_stop_of_wechats_and_the_breaker_stand_beside_each_other(
    engine: Engine, driver: Driver
) -> None:
    doubt(driver, 2)
    lost_then(driver, said(48001))
    assert the_gate(engine, GateKind.STOP).errcode == 48001
    assert the_gate(engine, GateKind.BREAKER).count == 3

    operator.unhalt(engine, "default", who="a person")

    assert not is_stopped(engine)
    assert driver.next().kind is Kind.CALL


def test_batches_that_killed_each_of_their_drivers_stop_the_account_too(engine: Engine) -> None:
    in_pairs(engine)
    tuning = Tuning(breaker=CircuitBreaker(doubts=1))
    for n in range(UNKNOWN_TRIES + 1):
        Driver(engine, owner=f"driver-{n}", tuning=tuning).claim()
        ledger.pass_time(engine, OVER)

    last = Driver(engine, owner="last", tuning=tuning)

    assert the_gate(engine, GateKind.BREAKER).reason is Reason.TOO_MANY_DOUBTS
    assert last.next().kind is Kind.REST


def test_an_unknown_batch_is_not_repeated_under_the_stop_and_is_in_doubt_after_23_hours(
    engine: Engine, driver: Driver, pairs: str
) -> None:
    driver.call(LOST)
    operator.pause(engine, pairs, who="a person")
    other = in_pairs(engine)
    doubt(driver, 3)
    operator.resume(engine, pairs, who="a person")
    ledger.pass_time(engine, SOON)

    assert driver.next().kind is Kind.REST
    assert ledger.batch(engine, pairs).state is BatchState.UNKNOWN

    ledger.pass_time(engine, REPEAT_WINDOW + timedelta(minutes=1))
    assert sweeps.doubt_expired(engine) == 1
    batch = ledger.batch(engine, pairs)
    assert (batch.state, batch.attempts) == (BatchState.IN_DOUBT, 1)
    assert state(engine, other) is BroadcastState.HELD


# -- off


def test_a_limit_of_zero_pauses_and_stops_nothing(engine: Engine) -> None:
    ids = [in_pairs(engine) for _ in range(2)]
    driver = Driver(engine, tuning=Tuning(breaker=CircuitBreaker(refusals=0, doubts=0)))
    refuse(driver, *[40003] * 5)
    driver.call(said(0, msg_id=1))
    doubt(driver, 5)
    assert [state(engine, one) for one in ids] == [BroadcastState.PARTIAL, BroadcastState.SENDING]
    assert driver.next().kind is Kind.CALL
    assert breakers(engine) == []
