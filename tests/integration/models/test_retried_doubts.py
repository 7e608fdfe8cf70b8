"""A batch that a person called not sent, once it is called again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.states import BatchState, Reason
from models.ledger.lane import call_history
from models.ledger.steer import operator, retries, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import SOON, take_over
from tests.integration.models.words import DAY, WHO, doubt, findings, resolve
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def retried(driver: Driver, broadcast_id: str) -> None:
    """Let a person say "not sent" and retry."""
    resolve(driver.engine, broadcast_id, None)
    again = retries.retry(driver.engine, broadcast_id, who=WHO).groups_of(RetryVerdict.AGAIN)
    assert [list(one.numbers) for one in again] == [[1]]


def test_only_retry_sends_again_and_with_the_same_key(driver: Driver, broadcast_id: str) -> None:
    doubt(driver)
    key = ledger.batch(driver.engine, broadcast_id).clientmsgid
    resolve(driver.engine, broadcast_id, None)
    assert driver.next().n == 2
    retried(driver, broadcast_id)
    work = driver.next()
    assert (work.n, work.clientmsgid) == (1, key)


def test_retried_batch_that_wechat_knows_is_accepted_and_told(
    driver: Driver, broadcast_id: str
) -> None:
    """The person was wrong, and WeChat's 24 hours keep it from going out twice."""
    doubt(driver)
    retried(driver, broadcast_id)
    driver.call(said(45065, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)
    [told] = broadcast_reports.conflicts(driver.engine, broadcast_id)
    assert (told.word, told.msg_id) == (Reason.SAID_NOT_SENT, 71)


@pytest.mark.parametrize(
    ("fact", "state", "reason"),
    [
        (said(0, msg_id=71), BatchState.ACCEPTED, None),
        (said(45009), BatchState.PLANNED, Reason.QUOTA_TODAY),
        (said(48001), BatchState.PLANNED, Reason.ACCOUNT_STOPPED),
        (said(40130), BatchState.REFUSED, Reason.RECIPIENTS_REFUSED),
        (said(40003), BatchState.REFUSED, Reason.RECIPIENTS_REFUSED),
        (LOST, BatchState.UNKNOWN, Reason.REPEAT_UNKNOWN),
    ],
)
def test_retried_batch_begins_anew_whatever_its_calls_were_before(
    driver: Driver, broadcast_id: str, fact: CallResult, state: BatchState, reason: Reason | None
) -> None:
    """Days later: the window and the tries count from the first call after the person's word."""
    doubt(driver)
    ledger.pass_time(driver.engine, 3 * DAY)
    retried(driver, broadcast_id)
    Driver(driver.engine, owner="later").call(fact)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (state, reason)
    assert sweeps.doubt_expired(driver.engine) == 0
    assert broadcast_reports.conflicts(driver.engine, broadcast_id) == []


def test_retried_batch_whose_reply_is_lost_is_repeated_for_23_hours(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    ledger.pass_time(driver.engine, 3 * DAY)
    retried(driver, broadcast_id)
    Driver(driver.engine, owner="later").call(LOST)
    ledger.pass_time(driver.engine, timedelta(hours=22, minutes=59))
    assert sweeps.doubt_expired(driver.engine) == 0
    ledger.pass_time(driver.engine, timedelta(minutes=2))
    assert sweeps.doubt_expired(driver.engine) == 1
    assert ledger.batch(driver.engine, broadcast_id).reason is Reason.WINDOW_CLOSED


def test_acceptance_that_arrives_while_a_retried_batch_waits_keeps_it_from_being_called(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(40130))
    retried(driver, broadcast_id)
    driver.record(claim, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    assert second.next().n == 2
    assert len(broadcast_reports.conflicts(driver.engine, broadcast_id)) == 1


def test_cancel_leaves_a_batch_that_only_a_word_calls_not_sent_to_that_word(
    driver: Driver, broadcast_id: str
) -> None:
    """Cancelled is never sent, and whoever is in that set is sent a new broadcast."""
    claim = driver.claim()
    take_over(driver).call(said(40130))
    retried(driver, broadcast_id)
    operator.cancel(driver.engine, broadcast_id, who=WHO, why="enough")
    first, second = (ledger.batch(driver.engine, broadcast_id, n) for n in (1, 2))
    assert (first.state, first.reason) == (BatchState.REFUSED, Reason.SAID_NOT_SENT)
    assert (second.state, second.reason) == (BatchState.CANCELLED, Reason.BY_HAND)
    assert (
        broadcast_reports.report(driver.engine, broadcast_id).recipients["cancelled"] == second.size
    )
    assert findings(driver.engine) == set()
    driver.record(claim, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    assert findings(driver.engine) == set()


def test_cancel_of_a_retried_batch_in_flight_that_is_refused_leaves_it_to_the_word(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    retried(driver, broadcast_id)
    claim = driver.claim()
    operator.cancel(driver.engine, broadcast_id, who=WHO)
    driver.record(claim, said(45009))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.REFUSED, Reason.SAID_NOT_SENT)
    assert batch.errcode is None
    assert findings(driver.engine) == set()


@pytest.mark.parametrize("cancelled", [True, False])
def test_late_already_accepted_puts_a_batch_that_was_taken_for_not_sent_in_doubt_again(
    driver: Driver, broadcast_id: str, cancelled: bool
) -> None:
    """It may be another batch's job, so it proves nothing; but it is no "never sent" any more."""
    claim = driver.claim()
    take_over(driver).call(said(40130))
    if cancelled:
        retried(driver, broadcast_id)
        operator.cancel(driver.engine, broadcast_id, who=WHO)
    else:
        resolve(driver.engine, broadcast_id, None)
    driver.record(claim, said(45065, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.UNPROVED_ACCEPTANCE)
    assert call_history.named_msg_ids(driver.engine, broadcast_id) == {1: [71]}
    assert findings(driver.engine) == set()
    resolve(driver.engine, broadcast_id, 71)
    assert findings(driver.engine) == set()


def test_late_doubt_of_a_denied_call_leaves_a_retried_batch_on_the_road(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(40130))
    retried(driver, broadcast_id)
    driver.record(claim, LOST)
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.PLANNED
    ledger.pass_time(driver.engine, SOON)


def test_driver_who_dies_with_a_retried_batch_leaves_it_unknown_not_too_often_unknown(
    driver: Driver, broadcast_id: str
) -> None:
    one = driver
    while ledger.batch(driver.engine, broadcast_id).state is not BatchState.IN_DOUBT:
        one.claim()
        one = take_over(one)
    assert ledger.batch(driver.engine, broadcast_id).reason is Reason.TOO_OFTEN_UNKNOWN
    retried(driver, broadcast_id)
    one.claim()
    take_over(one)
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.UNKNOWN
