"""A call is written down before it is made, by one driver alone, and only while it may be made."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event, func, select, update

from broadcast.errors import DatabaseAwayError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import Tuning, Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.batch_tables import AttemptRow
from models.broadcast_tables import BroadcastRow
from models.ledger.lane import claims, leases, next_work, record_outcomes
from models.ledger.lane.next_work import Kind
from models.ledger.rows import lane_rows
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import close, let_wait
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said
from tests.kit.processes import python_module
from tests.servers.fixtures import Launch

pytestmark = pytest.mark.every_database


def attempts(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(AttemptRow)) or 0


def test_one_work_is_claimed_once_by_many_threads(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    work = driver.next()
    together = threading.Barrier(8)

    def race(_n: int) -> bool:
        together.wait()
        return claims.claim(engine, driver.lease, work) is not None

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(race, range(8))) == 1
    assert attempts(engine) == 1
    assert ledger.batch(engine, broadcast_id).attempts == 1


def test_processes_that_share_a_lane_call_each_batch_once(
    engine: Engine, url: str, launch: Launch
) -> None:
    broadcast_id = ledger.broadcast(engine, size=60, batches=30)
    drive = python_module("tests.integration.models.one_driver", url)
    running = [launch([*drive, f"driver-{n}"], warm=True) for n in range(3)]
    assert [process.wait(timeout_s=60) for process in running] == [0, 0, 0]
    assert sum(int(process.output.split()[-1]) for process in running) == 30
    assert attempts(engine) == 30
    assert ledger.states(engine, broadcast_id) == {BatchState.ACCEPTED: 30}
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED


@pytest.fixture
def driver(engine: Engine) -> Driver:
    """A driver of a lane with a broadcast of two batches."""
    ledger.broadcast(engine)
    return Driver(engine)


def refused(driver: Driver, work: next_work.Work) -> None:
    before = attempts(driver.engine)
    assert claims.claim(driver.engine, driver.lease, work) is None
    assert attempts(driver.engine) == before


def test_claim_fails_after_the_lane_changed_hands(driver: Driver) -> None:
    work = driver.next()
    ledger.pass_time(driver.engine, lane_rows.LEASE + timedelta(seconds=1))
    Driver(driver.engine, owner="another")
    refused(driver, work)


def test_claim_fails_after_the_lease_ran_out(driver: Driver) -> None:
    work = driver.next()
    ledger.pass_time(driver.engine, lane_rows.LEASE + timedelta(seconds=1))
    refused(driver, work)


def test_claim_fails_after_the_lane_was_released(driver: Driver) -> None:
    work = driver.next()
    leases.release(driver.engine, driver.lease)
    refused(driver, work)


def test_claim_fails_though_the_driver_that_came_between_is_gone(driver: Driver) -> None:
    """What was read before the other one came is old, and the lane free."""
    work = driver.next()
    ledger.pass_time(driver.engine, lane_rows.LEASE + timedelta(seconds=1))
    leases.release(driver.engine, Driver(driver.engine, owner="another").lease)
    refused(driver, work)


def test_claim_fails_though_the_same_owner_holds_the_lane_again(driver: Driver) -> None:
    """A process drives a lane slice by slice; a claim belongs to one of them."""
    work = driver.next()
    leases.release(driver.engine, driver.lease)
    again = Driver(driver.engine, owner=driver.lease.owner)
    refused(driver, work)
    again.claim()


@pytest.mark.parametrize(
    ("late", "state"),
    [(said(0, msg_id=7), BatchState.ACCEPTED), (said(40001), BatchState.PLANNED)],
)
def test_claim_fails_after_the_late_reply_to_the_driver_before(
    driver: Driver, late: CallResult, state: BatchState
) -> None:
    """The doubt that was to be repeated is none any more, though no call was added."""
    claim = driver.claim()
    ledger.pass_time(driver.engine, lane_rows.LEASE + timedelta(seconds=1))
    successor = Driver(driver.engine, owner="another")
    work = successor.next()
    assert work.state is BatchState.UNKNOWN
    driver.record(claim, late)
    refused(successor, work)
    assert ledger.batch(driver.engine, work.broadcast_id).state is state


@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_claim_fails_after_pause_and_cancel(driver: Driver, word: str) -> None:
    work = driver.next()
    assert getattr(operator, word)(driver.engine, work.broadcast_id, who="a person")
    refused(driver, work)
    assert driver.next().kind is Kind.REST


@pytest.mark.parametrize("name", ["default", None])
def test_claim_fails_after_halt_and_succeeds_after_unhalt(driver: Driver, name: str | None) -> None:
    work = driver.next()
    assert operator.halt(driver.engine, name, who="a person") == ["default"]
    refused(driver, work)
    assert driver.next().kind is Kind.REST
    assert operator.unhalt(driver.engine, name, who="a person") == ["default"]
    driver.claim()


@pytest.mark.parametrize("reason", [Reason.QUOTA_TODAY, Reason.THROTTLED])
def test_claim_fails_while_the_lane_was_told_to_wait_after_the_look(
    driver: Driver, reason: Reason
) -> None:
    """The reply to an orphan's call may say that the day has no calls left."""
    work = driver.next()
    let_wait(driver.engine, timedelta(minutes=5), reason=reason)
    refused(driver, work)
    waiting = driver.next()
    assert work.now is not None
    assert waiting.until is not None
    assert waiting.kind is Kind.WAIT
    assert timedelta(minutes=5) <= waiting.until - work.now < timedelta(minutes=6)


def test_claim_fails_after_wechat_stopped_the_account(driver: Driver) -> None:
    work = driver.next()
    close(driver.engine, GateKind.STOP, reason=Reason.ACCOUNT_STOPPED, errcode=48001)
    refused(driver, work)
    assert driver.next().kind is Kind.REST


def test_claim_fails_for_work_of_before(driver: Driver) -> None:
    """A batch that was called meanwhile is not the batch that was read."""
    work = driver.next()
    driver.call(said(40001))
    refused(driver, work)


def test_claim_names_batch_attempt_fence_and_key_before_the_call(driver: Driver) -> None:
    work = driver.next()
    claim = driver.claim()
    with driver.engine.connect() as connection:
        row = connection.execute(select(AttemptRow.__table__)).one()
    assert row.outcome is None
    assert (row.batch_id, row.number, row.claim) == (work.batch_id, 1, claim.claim)
    assert (row.fence, row.owner, row.account) == (driver.lease.fence, "tests", "default")
    assert row.clientmsgid == work.clientmsgid
    assert (row.path, row.begins_anew) == (work.path, False)
    assert row.id == claim.attempt_id


def test_commit_whose_answer_is_lost_is_given_back(driver: Driver) -> None:
    """Nothing was called: the batch goes on as before, and the attempt says so."""
    work = driver.next()

    @event.listens_for(driver.engine, "commit", once=True)
    def _lose(connection: Connection) -> None:
        connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
        raise DatabaseAwayError("error.database.away", cause="the answer was lost", where="")

    with pytest.raises(DatabaseAwayError):
        claims.claim(driver.engine, driver.lease, work)
    batch = ledger.batch(driver.engine, work.broadcast_id)
    assert batch.state is BatchState.PLANNED
    with driver.engine.connect() as connection:
        assert connection.scalars(select(AttemptRow.outcome)).all() == [Outcome.NOT_CALLED]
    assert broadcast_reports.report(driver.engine, work.broadcast_id).calls == 0
    driver.call(said(0, msg_id=7))


def test_given_back_claim_costs_no_call_and_keeps_the_batch(driver: Driver) -> None:
    claim = driver.claim()
    assert record_outcomes.give_back(driver.engine, claim.claim)
    assert not record_outcomes.give_back(driver.engine, claim.claim)
    assert not record_outcomes.give_back(driver.engine, "no such claim")
    work = driver.next()
    assert (work.kind, work.n, work.state) == (Kind.CALL, 1, BatchState.PLANNED)


def test_doubtful_batch_goes_before_all_others(engine: Engine) -> None:
    first = ledger.broadcast(engine)
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(LOST)
    work = driver.next()
    assert (work.kind, work.broadcast_id, work.n) == (Kind.WAIT, first, 1)
    ledger.pass_time(engine, timedelta(seconds=3))
    work = driver.next()
    assert (work.kind, work.n, work.state) == (Kind.CALL, 1, BatchState.UNKNOWN)


def test_repeat_has_the_key_of_the_first_call(driver: Driver) -> None:
    driver.call(LOST)
    ledger.pass_time(driver.engine, timedelta(seconds=3))
    driver.call(LOST)
    with driver.engine.connect() as connection:
        keys = connection.scalars(select(AttemptRow.clientmsgid)).all()
        numbers = connection.scalars(select(AttemptRow.number)).all()
    assert len(set(keys)) == 1
    assert sorted(numbers) == [1, 2]


def test_older_broadcast_goes_first_and_priority_before_age(engine: Engine) -> None:
    first, second = ledger.broadcast(engine, batches=1), ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    assert driver.next().broadcast_id == first
    with engine.begin() as connection:
        row = BroadcastRow.id == second
        connection.execute(update(BroadcastRow).where(row).values(priority=1))
    assert driver.next().broadcast_id == second


def test_lanes_of_two_accounts_do_not_meet(engine: Engine) -> None:
    ledger.broadcast(engine, owner=ledger.account("north"))
    ledger.broadcast(engine, owner=ledger.account("south"))
    north, south = Driver(engine, "north"), Driver(engine, "south")
    operator.halt(engine, "north", who="a person")
    assert north.next().kind is Kind.REST
    south.call(said(0, msg_id=1))


def test_unknown_batch_is_not_repeated_after_23_hours_of_pause(driver: Driver) -> None:
    """The decision of then looked 23 h ahead; the pause came after it."""
    driver.call(LOST)
    broadcast_id = driver.next().broadcast_id
    operator.pause(driver.engine, broadcast_id, who="a person")
    ledger.pass_time(driver.engine, timedelta(hours=23, seconds=1))
    operator.resume(driver.engine, broadcast_id, who="a person")
    late = Driver(driver.engine)
    work = late.next()
    assert work.state is BatchState.UNKNOWN
    refused(late, work)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.WINDOW_CLOSED)
    assert late.next().n == 2


def test_window_shrinks_with_the_scale_of_waits(engine: Engine) -> None:
    ledger.broadcast(engine)
    tuning = Tuning(waits=Waits(0.001))
    driver = Driver(engine, tuning=tuning)
    driver.call(LOST)
    ledger.pass_time(engine, timedelta(seconds=83))
    late = Driver(engine, tuning=tuning)
    assert claims.claim(engine, late.lease, late.next(), tuning=tuning) is None
