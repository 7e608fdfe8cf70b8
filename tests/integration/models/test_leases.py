"""One driver a lane; who takes it over finds what the former one left."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, func, select

from broadcast.rules.calls.waits import UNKNOWN_TRIES
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from models.accounts import AccountRow, Lane
from models.ledger.lane import leases
from models.ledger.lane.next_work import Kind
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import write
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import take_over
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = pytest.mark.every_database

OVER = lane_rows.LEASE + timedelta(seconds=1)


def test_lane_is_leased_to_one_of_many(engine: Engine) -> None:
    ledger.broadcast(engine)
    together = threading.Barrier(8)

    def race(n: int) -> leases.Lease | None:
        together.wait()
        return leases.acquire(engine, "default", f"driver-{n}")

    with ThreadPoolExecutor(8) as threads:
        held = [one for one in threads.map(race, range(8)) if one]
    assert len(held) == 1
    assert held[0].fence == 1


def test_fence_grows_with_each_driver(engine: Engine) -> None:
    ledger.broadcast(engine)
    first = Driver(engine, owner="first").lease
    assert leases.acquire(engine, "default", "second") is None
    leases.release(engine, first)
    second = leases.acquire(engine, "default", "second")
    assert second is not None
    assert second.fence == first.fence + 1
    # A former driver's release is no business of the present one.
    leases.release(engine, first)
    assert leases.acquire(engine, "default", "third") is None


def test_renewed_lease_lives_on_and_a_lost_one_does_not(engine: Engine) -> None:
    for name in ("north", "south"):
        ledger.broadcast(engine, owner=ledger.account(name))
    north, south = Driver(engine, "north").lease, Driver(engine, "south").lease
    assert leases.renew(engine, []) == set()
    ledger.pass_time(engine, timedelta(seconds=4))
    assert leases.renew(engine, [north]) == set()
    ledger.pass_time(engine, timedelta(seconds=4))
    assert leases.renew(engine, [north, south]) == {"south"}
    assert leases.acquire(engine, "north", "another") is None
    assert leases.acquire(engine, "south", "another") is not None


def test_lane_whose_row_a_stopped_client_holds_costs_no_other_its_lease(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer, and no rows that are held")
    for name in ("east", "north", "south"):
        ledger.broadcast(engine, owner=ledger.account(name))
    held = [Driver(engine, name).lease for name in ("east", "north", "south")]
    ledger.pass_time(engine, timedelta(seconds=4))
    with engine.begin() as stopped, ThreadPoolExecutor(1) as threads:
        stopped.execute(select(Lane).where(Lane.account == "north").with_for_update())
        renewing = threads.submit(leases.renew, engine, held)
        try:
            # Neither ours any more nor lost: nobody else can have taken it.
            assert renewing.result(timeout=60) == set()
        finally:
            stopped.rollback()
    ledger.pass_time(engine, timedelta(seconds=4))
    assert leases.renew(engine, held) == {"north"}


def test_leases_are_renewed_on_a_server_that_cannot_skip_rows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(engine)
    held = Driver(engine).lease
    if engine.dialect.name == "mysql":
        monkeypatch.setattr(engine.dialect, "server_version_info", (5, 7, 44))
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    ledger.pass_time(engine, timedelta(seconds=4))
    assert leases.renew(engine, [held]) == set()
    skips = any("SKIP LOCKED" in statement for statement in asked)
    assert skips is (engine.dialect.name == "postgresql")
    ledger.pass_time(engine, timedelta(seconds=4))
    assert leases.renew(engine, [held]) == set()


def test_orphan_is_unknown_to_the_next_driver_and_goes_first(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    assert ledger.states(engine, broadcast_id)[BatchState.CALLING] == 1
    ledger.pass_time(engine, OVER)
    second = Driver(engine, owner="second")
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.UNKNOWN, Reason.REPEAT_UNKNOWN)
    work = second.next()
    assert (work.kind, work.n, work.state) == (Kind.CALL, 1, BatchState.UNKNOWN)


def test_orphan_of_a_cancelled_broadcast_is_in_doubt(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    operator.cancel(engine, broadcast_id, who="a person")
    ledger.pass_time(engine, OVER)
    Driver(engine, owner="second")
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.STOPPED_WHILE_UNKNOWN)
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.phase) == (BroadcastState.CANCELLED, Phase.ENDED)
    assert told.recipients["in_doubt"] == told.recipients["cancelled"] == 10


def test_wait_is_never_shortened_and_ends_with_an_acceptance(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    moment = driver.next().now
    assert moment is not None
    for minutes in (60, 5):
        until = moment + timedelta(minutes=minutes)
        with engine.begin() as connection:
            lane_rows.wait(connection, "default", until=until, reason=Reason.THROTTLED)
    with engine.connect() as connection:
        assert connection.scalar(select(Lane.not_before)) == moment + timedelta(minutes=60)
    ledger.pass_time(engine, timedelta(minutes=61))
    Driver(engine).call(said(0, msg_id=1))
    with engine.connect() as connection:
        assert connection.execute(select(Lane.not_before, Lane.wait_reason)).one() == (None, None)


def test_new_account_is_met_by_many_at_once(engine: Engine) -> None:
    together = threading.Barrier(6)

    def race(_n: int) -> None:
        together.wait()
        write(engine, lambda c: lane_rows.ensure_lane(c, ledger.account("new")))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(race, range(6)))
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(AccountRow)) == 1
        assert connection.scalar(select(func.count()).select_from(Lane)) == 1


def test_late_refusal_of_an_orphan_ends_its_doubt(engine: Engine) -> None:
    """The first driver lost the lane and brings the reply all the same."""
    broadcast_id = ledger.broadcast(engine)
    first = Driver(engine)
    claim = first.claim()
    ledger.pass_time(engine, OVER)
    Driver(engine, owner="second")
    first.record(claim, said(45009))
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.PLANNED, Reason.QUOTA_TODAY)


def test_late_refusals_of_recipients_and_content_end_the_doubt(engine: Engine) -> None:
    for errcode, state in ((40003, BatchState.SPLIT), (40130, BatchState.REFUSED)):
        broadcast_id = ledger.broadcast(engine, batches=1)
        first = Driver(engine)
        claim = first.claim()
        ledger.pass_time(engine, OVER)
        second = Driver(engine, owner="second")
        first.record(claim, said(errcode))
        assert ledger.batch(engine, broadcast_id).state is state
        operator.cancel(engine, broadcast_id, who="a person")
        leases.release(engine, second.lease)


def test_late_refusal_settles_nothing_while_another_attempt_is_unknown(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    first = Driver(engine)
    claim = first.claim()
    ledger.pass_time(engine, OVER)
    second = Driver(engine, owner="second")
    second.call(LOST)
    first.record(claim, said(45009))
    batch = ledger.batch(engine, broadcast_id)
    assert batch.state is BatchState.UNKNOWN


def test_driver_who_dies_after_many_45066_leaves_its_batch_to_be_repeated(engine: Engine) -> None:
    """They tell of one send that runs, and are no tries that nothing answered."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    for _ in range(UNKNOWN_TRIES + 1):
        driver.call(said(45066))
        ledger.pass_time(engine, timedelta(minutes=1, seconds=1))
        driver = Driver(engine)
    driver.claim()
    take_over(driver)
    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN
