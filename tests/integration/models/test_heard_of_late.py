"""A call ends once; a reply that can be trusted and comes later moves only when it was heard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.decide import Verdict
from broadcast.rules.states import BatchState
from models.engine import open_engine
from models.ledger.lane import leases, record_outcomes
from tests.integration.models.still_clock import StillClock
from tests.integration.models.tampering import SECOND, attempt, found, later
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

TRUSTED = pytest.mark.parametrize("late", [said(0, msg_id=71), said(45065, msg_id=71), said(45011)])


@TRUSTED
def test_reply_after_a_repeat_by_the_same_driver_is_no_overlap(
    driver: Driver, broadcast_id: str, late: CallResult
) -> None:
    lost = driver.claim()
    driver.record(lost, LOST)
    later(driver.engine)
    driver.call(said(45065, msg_id=71))
    before = attempt(driver.engine, broadcast_id, 1)

    driver.record(lost, late)

    _heard_later(before, attempt(driver.engine, broadcast_id, 1))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    assert found(driver.engine) == set()


@TRUSTED
def test_reply_after_a_repeat_by_the_next_driver_is_no_overlap(
    driver: Driver, broadcast_id: str, late: CallResult
) -> None:
    """The lane was given back, so that the next one need not wait for the end of its lease."""
    lost = driver.claim()
    driver.record(lost, LOST)
    leases.release(driver.engine, driver.lease)
    ledger.pass_time(driver.engine, 3 * SECOND)
    Driver(driver.engine, owner="second").call(said(45065, msg_id=71))
    before = attempt(driver.engine, broadcast_id, 1)

    driver.record(lost, late)

    _heard_later(before, attempt(driver.engine, broadcast_id, 1))
    assert found(driver.engine) == set()


def _heard_later(before: Any, after: Any) -> None:
    assert before.outcome_recorded_at == before.ended_at == after.ended_at
    assert after.outcome_recorded_at > before.outcome_recorded_at


def test_call_in_flight_was_heard_of_at_no_time(driver: Driver, broadcast_id: str) -> None:
    driver.claim()
    row = attempt(driver.engine, broadcast_id, 1)
    assert (row.outcome, row.ended_at, row.outcome_recorded_at) == (None, None, None)


def test_mass_get_is_asked_for_as_long_after_a_late_45065_as_after_any(
    driver: Driver, broadcast_id: str
) -> None:
    """It may not know a fresh msg_id yet, however old the call is."""
    claim = driver.claim()
    driver.record(claim, LOST)
    ledger.pass_time(driver.engine, timedelta(hours=1))
    assert driver.record(claim, said(45065, msg_id=71)).verdict is Verdict.VERIFY
    batch_id = ledger.batch(driver.engine, broadcast_id).id
    for minutes, move in ((9, Verdict.VERIFY), (2, Verdict.DOUBT)):
        ledger.pass_time(driver.engine, timedelta(minutes=minutes))
        said_unknown = record_outcomes.confirm(driver.engine, batch_id, 71, known=False)
        assert said_unknown.verdict is move


def test_clock_that_went_back_lets_nothing_be_heard_before_the_end(url: str) -> None:
    engine = open_engine(url)
    clock = StillClock(engine)
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    clock.pass_(SECOND)
    driver.record(claim, LOST)
    clock.pass_(-SECOND)

    driver.record(claim, said(0, msg_id=71))

    row = attempt(engine, broadcast_id, 1)
    assert row.outcome_recorded_at == row.ended_at
    assert found(engine) == set()
    engine.dispose()
