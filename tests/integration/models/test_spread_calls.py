"""Calls that are spread over days, and what waits because it does not fit one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast import day
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause
from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import BroadcastState, Reason
from models.ledger.lane import claims
from models.ledger.lane.next_work import Kind
from models.ledger.views import broadcast_reports
from tests.integration.models.still_clock import StillClock
from tests.integration.models.test_quotas import HUNDRED, days, held
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, body, published, said


def test_what_goes_out_over_several_days_leaves_today_to_those_who_reserved_it(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    ten = Quota(daily_limit=10, used=0, remain=10)
    tonight = published(
        engine, body(text="tonight", at=clock.now + timedelta(hours=8)), batches=4, quota=ten
    )
    spreads = published(
        engine, body(text="days", size=24), size=24, batches=12, quota=ten, spread=True
    )
    ledger.planned(engine, spreads, quota=ten)
    assert list(days(engine, spreads).values()) == [6, 6]
    driver = Driver(engine)

    assert _called(driver) == 6

    assert held(engine, tonight) == 4
    told = broadcast_reports.report(engine, spreads)
    [wait] = blockers.blockers_of(told)
    assert (wait.cause, wait.reason) == (Cause.ACCOUNT_WAITS, Reason.SPREAD_OVER_DAYS)
    assert told.state is BroadcastState.SENDING
    assert wait.until is not None
    clock.pass_(wait.until - clock.now + timedelta(seconds=8))
    assert _called(Driver(engine)) == 6
    assert broadcast_reports.report(engine, spreads).state is BroadcastState.COMPLETED


def test_a_batch_that_is_called_again_waits_for_no_share_of_a_day(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    one = Quota(daily_limit=1, used=0, remain=1)
    spreads = published(engine, body(size=4), size=4, batches=2, quota=one, spread=True)
    ledger.planned(engine, spreads, quota=one)
    Driver(engine).call(LOST)
    clock.pass_(timedelta(minutes=1))

    Driver(engine).call(said(0, msg_id=1))

    assert broadcast_reports.report(engine, spreads).batches["accepted"] == 1


def test_what_was_spread_over_days_on_which_nobody_drove_it_takes_its_turn(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    two = Quota(daily_limit=2, used=0, remain=2)
    spreads = published(engine, body(size=8), size=8, batches=4, quota=two, spread=True)
    ledger.planned(engine, spreads, quota=two)
    Driver(engine).call(said(0, msg_id=1))
    clock.pass_(timedelta(days=3))
    published(engine, body(text="today"), batches=2, quota=two)

    assert _called(Driver(engine)) == 0, "today's calls are another's"

    assert held(engine, spreads, 1) == 3


def _called(driver: Driver) -> int:
    """Let a driver make every call that it may; return how many."""
    count = 0
    while (work := driver.next()).kind is Kind.CALL:
        claim = claims.claim(driver.engine, driver.lease, work)
        if claim is None:
            continue
        count += 1
        driver.record(claim, said(0, msg_id=100 + work.batch_id))
    return count


def test_what_does_not_fit_gets_no_calls_of_another_day(still: tuple[Engine, StillClock]) -> None:
    engine, clock = still
    first = ledger.broadcast(engine, batches=4, quota=HUNDRED)
    clock.pass_(timedelta(seconds=1))
    second = published(engine, body(text="x"), batches=10, size=20, quota=HUNDRED)
    ledger.planned(engine, second, quota=Quota(daily_limit=8, used=4, remain=4))
    assert held(engine, second) == 0

    Driver(engine).call(said(45009))

    assert (held(engine, first, 1), held(engine, second, 1)) == (4, 0)


@pytest.mark.parametrize(
    ("seconds", "used", "waits"), [(3, 1, True), (3, 0, False), (6 * 60 * 60, 1, False)]
)
def test_what_has_to_be_spread_just_after_the_turn_is_planned_once_wechats_day_has_turned_too(
    still: tuple[Engine, StillClock], seconds: int, used: int, waits: bool
) -> None:
    engine, clock = still
    clock.pass_(day.turn(clock.now) - clock.now + timedelta(seconds=seconds))
    quota = Quota(daily_limit=2, used=used, remain=2 - used)
    spreads = published(engine, body(size=8), size=8, batches=4, quota=None, spread=True)

    ledger.planned(engine, spreads, quota=quota)

    waiting = broadcast_reports.report(engine, spreads).lane.wait_reason is Reason.QUOTA_TODAY
    assert waiting == waits
