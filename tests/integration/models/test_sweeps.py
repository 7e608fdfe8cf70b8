"""What was left behind is found again, and a lane with a living lease is left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, select

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, Reason
from models.accounts import Lane
from models.batch_tables import AttemptRow
from models.broadcast_tables import BroadcastRow
from models.ledger.lane import leases
from models.ledger.rows import lane_rows
from models.ledger.steer import operator, sweeps
from tests.integration.models.stories import close, let_wait
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = pytest.mark.every_database

OVER = lane_rows.LEASE + timedelta(seconds=1)


def test_plan_that_nobody_was_woken_for_is_found_and_woken_once(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    assert sweeps.due(engine).plans == [broadcast_id]
    assert sweeps.due(engine).plans == []
    ledger.pass_time(engine, sweeps.WAKE_AGAIN + timedelta(seconds=1))
    assert sweeps.due(engine).plans == [broadcast_id]


def test_lane_with_work_and_no_driver_is_found_and_woken_once(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]
    assert sweeps.due(engine).lanes == []
    ledger.pass_time(engine, sweeps.WAKE_AGAIN + timedelta(seconds=1))
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


def test_lane_whose_lease_lives_is_never_woken(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    assert sweeps.due(engine).lanes == []
    for _ in range(4):
        ledger.pass_time(engine, timedelta(seconds=4))
        assert leases.renew(engine, [driver.lease]) == set()
        assert sweeps.due(engine).lanes == []


def test_orphan_of_a_dead_driver_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).claim()
    ledger.pass_time(engine, OVER)
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


STILL: dict[str, Callable[[Engine, str], object]] = {
    "paused": lambda engine, broadcast_id: operator.pause(engine, broadcast_id, who="a"),
    "cancelled": lambda engine, broadcast_id: operator.cancel(engine, broadcast_id, who="a"),
    "halted": lambda engine, _: operator.halt(engine, None, who="a"),
    "stopped": lambda engine, _: close(engine, GateKind.STOP, reason=Reason.ACCOUNT_STOPPED),
    "path stopped": lambda engine, _: close(engine, GateKind.STOP, path=SendPath.MASS_SEND),
    "held": lambda engine, broadcast_id: close(
        engine, GateKind.HOLD, broadcast_id=broadcast_id, reason=Reason.MISSED_TIME
    ),
    "waiting": lambda engine, _: let_wait(engine, timedelta(hours=1)),
}


@pytest.mark.parametrize("why", STILL)
def test_lane_that_stands_still_is_not_woken_for_a_call(engine: Engine, why: str) -> None:
    broadcast_id = ledger.broadcast(engine)
    STILL[why](engine, broadcast_id)
    assert sweeps.due(engine).lanes == []


@pytest.mark.parametrize("why", STILL)
def test_orphan_is_found_even_where_nothing_may_be_called(engine: Engine, why: str) -> None:
    """Until somebody takes the lane over, nobody knows that the batch is unknown."""
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    STILL[why](engine, broadcast_id)
    ledger.pass_time(engine, OVER)
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]
    driver = Driver(engine)
    leases.release(engine, driver.lease)
    ledger.pass_time(engine, OVER)
    assert ledger.batch(engine, broadcast_id).state in {BatchState.UNKNOWN, BatchState.IN_DOUBT}
    assert sweeps.due(engine).lanes == []


def test_batch_that_waits_is_found_when_its_time_has_come(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(said(45009))
    leases.release(engine, driver.lease)
    assert sweeps.due(engine).lanes == []
    ledger.pass_time(engine, timedelta(hours=24, seconds=1))
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


def test_unknown_batch_is_found_when_its_repeat_is_due(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(LOST)
    leases.release(engine, driver.lease)
    ledger.pass_time(engine, timedelta(seconds=5))
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


def test_wait_that_an_acceptance_ended_keeps_the_others_from_being_found_no_longer(
    engine: Engine,
) -> None:
    """The plan of another broadcast was told that the day is over, while a call was under way."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    let_wait(engine, timedelta(hours=8), reason=Reason.QUOTA_TODAY)
    driver.record(claim, said(0, msg_id=1))
    leases.release(engine, driver.lease)

    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


def test_nothing_is_found_when_all_is_at_rest(engine: Engine) -> None:
    ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    leases.release(engine, driver.lease)
    ledger.pass_time(engine, timedelta(hours=1))
    found = sweeps.due(engine)
    assert (found.plans, found.lanes) == ([], [])


def test_row_that_a_stopped_client_holds_is_left_for_next_time(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer, and no rows that are held")
    ids = [ledger.broadcast(engine, owner=ledger.account(name)) for name in ("a", "b")]
    plans_of = [ledger.published(engine, ledger.body()) for _ in range(2)]
    with engine.begin() as stopped, ThreadPoolExecutor(1) as threads:
        stopped.execute(select(Lane).where(Lane.account == "b").with_for_update())
        held = select(BroadcastRow).where(BroadcastRow.id == plans_of[0]).with_for_update()
        stopped.execute(held)
        sweeping = threads.submit(sweeps.due, engine)
        try:
            found = sweeping.result(timeout=60)
        finally:
            stopped.rollback()
    assert (found.lanes, found.plans) == ([("a", ids[0])], plans_of[1:])
    again = sweeps.due(engine)
    assert (again.lanes, again.plans) == ([("b", ids[1])], plans_of[:1])


def test_many_sweeps_at_once_are_harmless(engine: Engine) -> None:
    ids = [ledger.broadcast(engine, owner=ledger.account(f"a{n}")) for n in range(4)]
    waiting = [ledger.published(engine, ledger.body()) for _ in range(3)]
    together = threading.Barrier(4)

    def sweep(_n: int) -> sweeps.Wakes:
        together.wait()
        found = sweeps.due(engine)
        sweeps.launch_due(engine)
        sweeps.forget_uploads(engine)
        sweeps.doubt_expired(engine)
        return found

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(sweep, range(4)))
    assert {broadcast_id for wakes in found for _, broadcast_id in wakes.lanes} == set(ids)
    assert {broadcast_id for wakes in found for broadcast_id in wakes.plans} == set(waiting)


def test_expired_doubt_is_held_under_a_pause_too(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=2)
    Driver(engine).call(LOST)
    operator.pause(engine, broadcast_id, who="a person")
    ledger.pass_time(engine, timedelta(hours=22, minutes=59))
    assert sweeps.doubt_expired(engine) == 0
    ledger.pass_time(engine, timedelta(minutes=2))
    assert sweeps.doubt_expired(engine) == 1
    assert sweeps.doubt_expired(engine) == 0
    one, other = ledger.batches(engine, broadcast_id)
    assert (one.state, other.state) == (BatchState.IN_DOUBT, BatchState.PLANNED)


def test_a_doubt_that_may_wait_holds_up_nobody_who_has_its_lane(engine: Engine) -> None:
    """WeChat refused the token of its first call, so its window begins with its second."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(40001))
    ledger.pass_time(engine, timedelta(hours=22))
    Driver(engine, owner="other").call(LOST)
    ledger.pass_time(engine, timedelta(hours=2))

    with engine.begin() as connection:
        lane_rows.lock(connection, "default")
        assert sweeps.doubt_expired(engine) == 0
    ledger.pass_time(engine, timedelta(hours=21))
    assert sweeps.doubt_expired(engine) == 1
    assert ledger.batch(engine, broadcast_id).state is BatchState.IN_DOUBT


def test_a_doubt_that_cannot_be_weighed_keeps_no_other_from_being_held(engine: Engine) -> None:
    broken, sound = (ledger.broadcast(engine, owner=ledger.account(name)) for name in ("a", "b"))
    for name in ("a", "b"):
        Driver(engine, name).call(LOST)
    ledger.pass_time(engine, timedelta(hours=24))
    which = ledger.batch(engine, broken).id
    with engine.begin() as connection:
        connection.execute(delete(AttemptRow).where(AttemptRow.batch_id == which))

    with pytest.raises(ValueError, match="without an attempt"):
        sweeps.doubt_expired(engine)

    assert ledger.batch(engine, sound).state is BatchState.IN_DOUBT


def test_clock_that_was_set_back_leaves_no_lane_and_no_plan_behind(engine: Engine) -> None:
    """Eight hours: a machine took its local time for that of the world, and was corrected."""
    planned = ledger.broadcast(engine)
    stored = ledger.published(engine, ledger.body(key="two"))
    woken = sweeps.due(engine)
    assert (woken.lanes, woken.plans) == ([("default", planned)], [stored])
    Driver(engine).claim()
    ledger.pass_time(engine, -timedelta(hours=8))

    wakes = sweeps.due(engine)

    assert (wakes.lanes, wakes.plans) == ([("default", planned)], [stored])
    # Its driver died; who is woken gets the lane, and finds the orphan.
    assert leases.acquire(engine, "default", "other") is not None
    assert ledger.batch(engine, planned).state is BatchState.UNKNOWN


def test_orphan_is_found_though_nothing_else_is_due_and_the_clock_was_set_back(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).claim()
    ledger.pass_time(engine, -timedelta(hours=8))

    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


def test_driver_that_lives_keeps_its_lane_when_the_clock_is_set_back(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    ledger.pass_time(engine, -timedelta(hours=8))

    assert leases.renew(engine, [driver.lease]) == set()
    assert leases.acquire(engine, "default", "other") is None
    assert sweeps.due(engine).lanes == []
