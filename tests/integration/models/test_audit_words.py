"""What an audit finds in batches that a person settled: that explains them, and no more."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.states import BatchState, Reason
from models.ledger.audit.case import Found
from models.ledger.outcomes import resolves
from models.ledger.steer import operator, retries
from tests.integration.models.stories import lost_then, take_over
from tests.integration.models.tampering import (
    ON_SQLITE,
    WHO,
    attempt,
    change_attempt,
    change_batch,
    finding,
    found,
    later,
)
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = ON_SQLITE


def settled(driver: Driver, broadcast_id: str, msg_id: int | None) -> None:
    """End batch 1 in doubt, and let a person say what became of it."""
    lost_then(driver, said(48001))
    operator.unhalt(driver.engine, None, who=WHO)
    resolves.resolve(
        driver.engine,
        broadcast_id,
        1,
        verdict=NotSent() if msg_id is None else Sent(msg_id),
        who=WHO,
    )
    assert found(driver.engine) == set()


def retried(driver: Driver, broadcast_id: str, *facts: CallResult) -> None:
    """Let a person say "not sent" of batch 1 and retry it; WeChat answers with *facts*."""
    settled(driver, broadcast_id, None)
    retries.retry(driver.engine, broadcast_id, who=WHO)
    for fact in facts:
        driver.call(fact)
        later(driver.engine)
    assert found(driver.engine) == set()


# -- the word "sent"


@pytest.mark.parametrize(
    "state", [BatchState.REFUSED, BatchState.PLANNED, BatchState.UNKNOWN, BatchState.SPLIT]
)
def test_state_that_the_word_sent_does_not_explain_is_found(
    driver: Driver, broadcast_id: str, state: BatchState
) -> None:
    settled(driver, broadcast_id, 99)
    if state is BatchState.UNKNOWN:
        # Its calls would lead there by themselves.
        change_attempt(driver.engine, attempt(driver.engine, broadcast_id, 1), denied=True)
    change_batch(driver.engine, broadcast_id, 1, state=state)
    assert Found.UNEXPLAINED in found(driver.engine)


def test_msg_id_that_a_person_named_and_that_was_lost_is_found(
    driver: Driver, broadcast_id: str
) -> None:
    settled(driver, broadcast_id, 99)
    change_batch(driver.engine, broadcast_id, 1, msg_id=None)
    assert found(driver.engine) == {Found.OTHER_MSG_ID}


def test_msg_id_of_a_late_reply_that_was_not_taken_over_is_found(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    take_over(driver).call(said(40130))
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(99), who=WHO)
    driver.record(claim, said(0, msg_id=71))
    assert found(driver.engine) == set()
    change_batch(driver.engine, broadcast_id, 1, msg_id=99)
    assert found(driver.engine) == {Found.OTHER_MSG_ID}


# -- the word "not sent", and a retry


@pytest.mark.parametrize("state", [BatchState.ACCEPTED, BatchState.SPLIT, BatchState.UNKNOWN])
def test_state_that_the_word_not_sent_does_not_explain_is_found(
    driver: Driver, broadcast_id: str, state: BatchState
) -> None:
    settled(driver, broadcast_id, None)
    change_batch(driver.engine, broadcast_id, 1, state=state)
    assert Found.UNEXPLAINED in found(driver.engine)


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        (said(40130), BatchState.ACCEPTED),
        (said(0, msg_id=7), BatchState.REFUSED),
        (LOST, BatchState.REFUSED),
        (LOST, BatchState.PLANNED),
        (said(45009), BatchState.UNKNOWN),
    ],
)
def test_calls_after_a_retry_must_explain_the_state_again(
    driver: Driver, broadcast_id: str, fact: CallResult, state: BatchState
) -> None:
    retried(driver, broadcast_id, fact)
    change_batch(driver.engine, broadcast_id, 1, state=state)
    assert Found.UNEXPLAINED in found(driver.engine)


def test_msg_id_that_is_lost_after_a_retry_is_found(driver: Driver, broadcast_id: str) -> None:
    retried(driver, broadcast_id, said(0, msg_id=7))
    change_batch(driver.engine, broadcast_id, 1, msg_id=None)
    assert found(driver.engine) == {Found.OTHER_MSG_ID}


def test_two_msg_ids_after_a_retry_are_found(driver: Driver, broadcast_id: str) -> None:
    retried(driver, broadcast_id, said(0, msg_id=7))
    first = attempt(driver.engine, broadcast_id, 1)
    change_attempt(driver.engine, first, outcome=Outcome.ACCEPTED, msg_id=8, denied=None)
    assert Found.TWO_MSG_IDS in found(driver.engine)


def test_call_after_the_word_that_is_marked_as_denied_is_found(
    driver: Driver, broadcast_id: str
) -> None:
    """Nobody can have spoken of it: the doubt had been closed before it was made."""
    retried(driver, broadcast_id, LOST)
    change_attempt(driver.engine, attempt(driver.engine, broadcast_id, 1, 3), denied=True)
    change_batch(driver.engine, broadcast_id, 1, state=BatchState.PLANNED)
    assert Found.UNEXPLAINED in found(driver.engine)


def test_denial_that_no_person_spoke_explains_nothing(driver: Driver, broadcast_id: str) -> None:
    driver.call(LOST)
    change_attempt(driver.engine, attempt(driver.engine, broadcast_id, 1), denied=True)
    change_batch(driver.engine, broadcast_id, 1, state=BatchState.PLANNED)
    assert Found.UNEXPLAINED in found(driver.engine)


def test_reply_0_that_a_person_denied_is_found_and_not_called_again(
    driver: Driver, broadcast_id: str
) -> None:
    """No such word is taken any more; one of earlier days can be corrected."""
    settled(driver, broadcast_id, None)
    first = attempt(driver.engine, broadcast_id, 1)
    change_attempt(driver.engine, first, outcome=Outcome.ACCEPTED, msg_id=8)
    assert finding(driver.engine, Found.DENIED).facts == {"number": 1, "msg_id": 8}
    [left] = retries.retry(driver.engine, broadcast_id, who=WHO).groups_of(RetryVerdict.TAKEN)
    assert list(left.numbers) == [1]
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(8), who=WHO)
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED
    assert found(driver.engine) == set()


def test_retry_of_a_call_that_nobody_denied_is_found(driver: Driver, broadcast_id: str) -> None:
    retried(driver, broadcast_id, said(0, msg_id=7))
    change_attempt(driver.engine, attempt(driver.engine, broadcast_id, 1), denied=None)
    assert finding(driver.engine, Found.CALLED_AGAIN).facts == {"number": 1}


def test_retry_whose_word_is_missing_is_found(driver: Driver, broadcast_id: str) -> None:
    retried(driver, broadcast_id, said(0, msg_id=7))
    change_batch(driver.engine, broadcast_id, 1, settled_after=None)
    assert Found.CALLED_AGAIN in found(driver.engine)


def test_a_call_before_the_second_retry_that_nobody_denied_is_found(
    driver: Driver, broadcast_id: str
) -> None:
    retried(driver, broadcast_id, said(43004))
    retries.retry(driver.engine, broadcast_id, who=WHO)
    driver.call(said(0, msg_id=7))
    assert found(driver.engine) == set()

    change_attempt(
        driver.engine, attempt(driver.engine, broadcast_id, 1, 3), outcome=Outcome.UNKNOWN
    )

    assert finding(driver.engine, Found.CALLED_AGAIN).facts == {"number": 3}


@pytest.mark.parametrize("denied", [True, None])
def test_retry_that_is_still_to_be_called_is_held_against_the_word(
    driver: Driver, broadcast_id: str, denied: bool | None
) -> None:
    retried(driver, broadcast_id)
    change_attempt(driver.engine, attempt(driver.engine, broadcast_id, 1), denied=denied)
    assert (Found.CALLED_AGAIN in found(driver.engine)) == (denied is None)


def test_halves_after_a_denial_are_found(engine: Engine) -> None:
    """They have keys of their own: WeChat would not know them again if the person was wrong."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    retried(driver, broadcast_id)
    first = attempt(engine, broadcast_id, 1)
    change_attempt(engine, first, denied=None, outcome=Outcome.THROTTLED)
    driver.call(said(40003))
    assert ledger.batch(engine, broadcast_id).state is BatchState.SPLIT
    assert found(engine) == set()
    change_attempt(engine, first, denied=True, outcome=Outcome.UNKNOWN)
    assert found(engine) == {Found.HALVED}


# -- nothing to find


@pytest.mark.parametrize(
    "fact",
    [
        said(0, msg_id=7),
        said(45065, msg_id=7),
        said(40003),
        said(40130),
        said(45009),
        LOST,
        CallResult(outcome=Outcome.NOT_CALLED),
    ],
)
def test_whatever_follows_a_retry_is_healthy(
    driver: Driver, broadcast_id: str, fact: CallResult
) -> None:
    retried(driver, broadcast_id, fact)
    if ledger.batch(driver.engine, broadcast_id).state is BatchState.PLANNED:
        operator.cancel(driver.engine, broadcast_id, who=WHO)
        assert found(driver.engine) == set()


@pytest.mark.parametrize("msg_id", [99, None])
@pytest.mark.parametrize(
    "late",
    [
        LOST,
        CallResult(outcome=Outcome.NOT_CALLED),
        said(45009),
        said(0, msg_id=71),
        said(45065, msg_id=71),
    ],
)
def test_late_reply_after_a_word_is_healthy_and_so_is_what_a_retry_makes_of_it(
    driver: Driver, broadcast_id: str, msg_id: int | None, late: CallResult
) -> None:
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(40130))
    resolves.resolve(
        driver.engine,
        broadcast_id,
        1,
        verdict=NotSent() if msg_id is None else Sent(msg_id),
        who=WHO,
    )
    driver.record(claim, late)
    assert found(driver.engine) == set()
    retries.retry(driver.engine, broadcast_id, who=WHO)
    assert found(driver.engine) == set()


def test_second_word_takes_the_place_of_the_first(driver: Driver, broadcast_id: str) -> None:
    driver.claim()
    second = take_over(driver)
    second.call(said(40130))
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=NotSent(), who=WHO)
    assert ledger.batch(driver.engine, broadcast_id).reason is Reason.SAID_NOT_SENT
    retries.retry(driver.engine, broadcast_id, who=WHO)
    assert second.claim().number == 3
    take_over(second)
    operator.cancel(driver.engine, broadcast_id, who=WHO)
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(73), who=WHO)
    assert found(driver.engine) == set()
