"""Where a person looks for a batch in doubt: at the calls that may have sent it, and no others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BatchState
from broadcast.views import next_steps
from broadcast.views.words import Between
from models.batch_tables import AttemptRow
from models.ledger.lane import call_history, record_outcomes
from models.ledger.views import beside_reports, broadcast_reports
from tests.integration.models.stories import SOON, lost_then, take_over
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = pytest.mark.every_database

YESTERDAY = timedelta(hours=20)


def told(engine: Engine, broadcast_id: str) -> Message:
    """What is told of the one doubt."""
    report = broadcast_reports.report(engine, broadcast_id)
    lines = next_steps.lines(report, beside_reports.circumstances(engine, report, waits=Waits()))
    # Where to look stands above the batches, once.
    doubts = [line for line in lines if line.id.startswith("next_step.doubt")]
    return doubts[-1]


@pytest.mark.parametrize("before", ["refused", "given back"])
def test_status_names_the_time_of_the_call_that_may_have_been_taken(
    driver: Driver, broadcast_id: str, before: str
) -> None:
    if before == "refused":
        driver.call(said(45009))
    else:
        assert record_outcomes.give_back(driver.engine, driver.claim().claim)
    ledger.pass_time(driver.engine, YESTERDAY + timedelta(hours=10))
    second = Driver(driver.engine, owner="second")
    lost_then(second, said(48001))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT
    with driver.engine.connect() as connection:
        first, lost, _ = connection.scalars(
            select(AttemptRow.started_at).order_by(AttemptRow.number)
        )
    span = call_history.called_at(driver.engine, broadcast_id)[1]
    assert (span.first, span.last) == (lost, lost)
    at = told(driver.engine, broadcast_id).facts["at"]
    assert isinstance(at, Between)
    assert (at.first, at.last) == (lost, lost) != (first, first)


def test_status_names_the_first_and_the_last_of_several(driver: Driver, broadcast_id: str) -> None:
    driver.call(LOST)
    ledger.pass_time(driver.engine, timedelta(hours=5))
    second = Driver(driver.engine, owner="second")
    second.call(LOST)
    ledger.pass_time(driver.engine, timedelta(minutes=5))
    Driver(driver.engine, owner="third").call(said(48001))
    span = call_history.called_at(driver.engine, broadcast_id)[1]
    assert span.last - span.first > timedelta(hours=4)
    at = told(driver.engine, broadcast_id).facts["at"]
    assert isinstance(at, Between)
    assert (at.first, at.last) == (span.first, span.last)


def test_status_says_of_a_doubt_whose_calls_were_refused_in_the_end_that_nothing_was_sent(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(48001))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT
    driver.record(claim, said(40001))
    ledger.pass_time(driver.engine, SOON)
    assert call_history.called_at(driver.engine, broadcast_id) == {}
    assert told(driver.engine, broadcast_id).id == "next_step.doubt_refused"
