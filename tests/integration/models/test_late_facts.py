"""Facts that arrive after somebody else has acted on the batch: stored always, news sometimes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import Waits
from broadcast.rules.finish_events import FinishEvent
from broadcast.rules.states import BatchState, Reason
from models.batch_tables import AttemptRow
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.steer import retries
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import lane, take_over
from tests.integration.models.tampering import found
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def test_late_acceptance_settles_a_batch_that_is_called_again(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    driver.record(first, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    second_driver.record(second, said(45065, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)


@pytest.mark.parametrize("later", [said(45009), said(40003), said(48001), LOST])
def test_accepted_beats_whatever_the_repeat_brings(
    driver: Driver, broadcast_id: str, later: CallResult
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    second_driver.record(second, later)
    driver.record(first, said(0, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)


def test_two_msg_ids_are_in_doubt_however_they_arrive(driver: Driver, broadcast_id: str) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second_driver.call(said(0, msg_id=72))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    driver.record(first, said(0, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.TWO_MSG_IDS)
    assert batch.poll_at is None


def test_late_doubt_is_no_news_while_a_newer_attempt_is_in_flight(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    driver.record(first, LOST)
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.CALLING
    second_driver.record(second, said(45065, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED


def test_late_refusal_is_no_news_while_a_newer_attempt_is_in_flight(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    driver.record(first, said(40003))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.CALLING
    second_driver.record(second, said(40003))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.SPLIT


def test_reply_that_arrives_after_the_deadline_replaces_the_doubt(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    driver.record(claim, LOST)
    driver.record(claim, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    # And no doubt replaces a reply.
    driver.record(claim, LOST)
    with driver.engine.connect() as connection:
        assert connection.scalar(select(AttemptRow.outcome)) is Outcome.ACCEPTED


def test_late_reply_after_a_human_said_not_sent_is_stored_and_counts(
    driver: Driver, broadcast_id: str
) -> None:
    """`resolve --not-sent` and `retry` put the batch back; then the first reply arrives."""
    claim = driver.claim()
    take_over(driver).call(said(40130))
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=NotSent(), who="tests")
    retries.retry(driver.engine, broadcast_id, who="tests")
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.PLANNED
    driver.record(claim, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED


def test_review_that_refused_is_not_undone_by_a_late_reply(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second_driver.call(said(45065, msg_id=71))
    taken = ledger.batch(driver.engine, broadcast_id)
    recorded_ends.record_status(driver.engine, taken, recorded_ends.FAILED, waits=Waits())
    driver.record(first, said(0, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.REFUSED, Reason.JOB_FAILED)


@pytest.mark.parametrize("real", ["send success", "err(20001)", None])
def test_late_acceptance_as_another_job_than_a_person_named_outlives_the_review_of_that(
    driver: Driver, broadcast_id: str, real: str | None
) -> None:
    """A person named somebody else's job, whose review refused it; WeChat's own word is true."""
    claim = driver.claim()
    take_over(driver).call(said(40130))
    recorded_ends.record_finish_event(
        driver.engine, "default", FinishEvent(msg_id=555_001, status="err(20001)")
    )
    if real:
        recorded_ends.record_finish_event(
            driver.engine, "default", FinishEvent(msg_id=71, status=real)
        )
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(555_001), who="tests")
    assert ledger.batch(driver.engine, broadcast_id).reason is Reason.REVIEW_REFUSED

    driver.record(claim, said(0, msg_id=71))

    batch = ledger.batch(driver.engine, broadcast_id)
    ends = {"send success": "finished", "err(20001)": "refused", None: "accepted"}
    assert (batch.state, batch.msg_id) == (ends[real], 71)
    assert broadcast_reports.conflicts(driver.engine, broadcast_id)
    assert found(driver.engine) == set()


def test_humans_word_on_a_doubtful_batch_is_not_undone_by_a_late_doubt(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second_driver.call(said(40003))
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(99), who="tests")
    driver.record(first, LOST)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 99)


def test_late_already_accepted_without_msg_id_keeps_the_one_that_a_person_named(
    driver: Driver, broadcast_id: str
) -> None:
    driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    take_over(second_driver).call(said(40130))
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(77), who="tests")

    second_driver.record(second, said(45065))

    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 77)
    assert batch.reason is Reason.SAID_SENT
    assert batch.poll_at is not None


def test_late_acceptance_leaves_the_wait_that_a_newer_call_was_told(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    second_driver = take_over(driver)
    second_driver.call(said(45011))
    waits = lane(driver.engine)
    assert waits.not_before is not None

    driver.record(first, said(0, msg_id=71))

    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    stands = lane(driver.engine)
    assert (stands.not_before, stands.wait_reason) == (waits.not_before, Reason.THROTTLED)


def test_acceptance_of_the_newest_call_ends_the_wait_of_its_lane(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    driver.record(claim, said(45011))
    ledger.pass_time(driver.engine, timedelta(minutes=2))
    assert lane(driver.engine).not_before is not None
    Driver(driver.engine, owner="second").call(said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    assert lane(driver.engine).not_before is None
