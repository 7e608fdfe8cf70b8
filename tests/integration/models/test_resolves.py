"""A person's word on a batch in doubt: what it closes, and what a reply that comes later does."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from broadcast.errors import InputError, UnknownIdError
from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.ledger.outcomes import recorded_ends
from models.ledger.steer import operator, retries, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import lost_then, snapshot, take_over
from tests.integration.models.words import DAY, WHO, doubt, events, findings, refused, resolve
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


@pytest.mark.parametrize(
    ("msg_id", "state", "reason", "counted"),
    [
        (99, BatchState.ACCEPTED, Reason.SAID_SENT, "accepted"),
        (None, BatchState.REFUSED, Reason.SAID_NOT_SENT, "refused"),
    ],
)
def test_word_closes_a_doubt_and_stands_in_the_history_with_its_speaker(
    driver: Driver,
    broadcast_id: str,
    msg_id: int | None,
    state: BatchState,
    reason: Reason,
    counted: str,
) -> None:
    doubt(driver)
    done = resolve(driver.engine, broadcast_id, msg_id)
    assert (done.changed, done.size, done.state) == (True, 10, state)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason, batch.msg_id) == (state, reason, msg_id)
    assert (batch.poll_at is not None) is (msg_id is not None)
    assert broadcast_reports.report(driver.engine, broadcast_id).recipients[counted] == 10
    [told] = [one for one in events(driver.engine, EventKind.BATCH_MOVE) if one.who == WHO]
    assert json.loads(told.detail)["why"] == "looked in the console"
    assert findings(driver.engine) == set()


@pytest.mark.parametrize("msg_id", [99, None])
def test_same_word_twice_changes_nothing(
    driver: Driver, broadcast_id: str, msg_id: int | None
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, msg_id)
    before = snapshot(driver.engine)
    assert not resolve(driver.engine, broadcast_id, msg_id).changed
    assert snapshot(driver.engine) == before


def test_word_not_sent_is_corrected_to_sent_until_a_retry_calls_it_again(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, None)
    done = resolve(driver.engine, broadcast_id, 99)
    assert (done.changed, done.state) == (True, BatchState.ACCEPTED)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id, batch.reason) == (
        BatchState.ACCEPTED,
        99,
        Reason.SAID_SENT,
    )
    assert findings(driver.engine) == set()

    resolve(driver.engine, broadcast_id, None)
    retries.retry(driver.engine, broadcast_id, who=WHO)
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.PLANNED
    assert refused(driver.engine, broadcast_id, 99).message_id == "error.resolve.called_again"
    assert findings(driver.engine) == set()


def test_word_not_sent_is_corrected_to_sent_after_a_cancel(
    driver: Driver, broadcast_id: str
) -> None:
    """Nobody of it is then told to be sent a new broadcast."""
    doubt(driver)
    resolve(driver.engine, broadcast_id, None)
    operator.cancel(driver.engine, broadcast_id, who=WHO)
    resolve(driver.engine, broadcast_id, 99)
    told = broadcast_reports.report(driver.engine, broadcast_id)
    assert (told.recipients["accepted"], told.recipients["refused"]) == (10, 0)
    assert findings(driver.engine) == set()


def test_what_cannot_be_resolved_is_refused_and_nothing_is_stored(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=7))
    lost_then(driver, said(40130))
    before = snapshot(driver.engine)
    for n, msg_id, message_id in (
        (1, None, "error.resolve.not_in_doubt"),
        (1, 99, "error.resolve.not_in_doubt"),
        (3, 99, "error.resolve.no_batch"),
        (0, None, "error.resolve.no_batch"),
        (2, 7, "error.resolve.owned"),
        (2, 0, "error.resolve.msg_id"),
        (2, -5, "error.resolve.msg_id"),
        (2, 2**63, "error.resolve.msg_id"),
    ):
        with pytest.raises(InputError) as caught:
            resolve(driver.engine, broadcast_id, msg_id, n)
        assert caught.value.message_id == message_id
    with pytest.raises(UnknownIdError) as unknown:
        resolve(driver.engine, broadcast_id[:-1] + "?", 99)
    assert unknown.value.message_id == "error.broadcast.unknown_near"
    assert unknown.value.facts["near"] == broadcast_id
    assert snapshot(driver.engine) == before


def test_last_doubt_that_is_resolved_settles_the_broadcast(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=7))
    lost_then(driver, said(40130))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD
    resolve(engine, broadcast_id, None, 2)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PARTIAL


def test_acceptance_that_arrives_after_not_sent_is_a_fact_and_is_told(
    driver: Driver, broadcast_id: str
) -> None:
    """A worker that was frozen in its call wakes up and brings WeChat's reply."""
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(40130))
    resolve(driver.engine, broadcast_id, None)
    driver.record(claim, said(0, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id, batch.reason) == (BatchState.ACCEPTED, 71, None)
    [told] = broadcast_reports.conflicts(driver.engine, broadcast_id)
    assert (told.n, told.word, told.msg_id) == (1, Reason.SAID_NOT_SENT, 71)
    assert findings(driver.engine) == set()


def test_other_msg_id_that_arrives_after_sent_is_a_fact_and_is_told(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(40130))
    resolve(driver.engine, broadcast_id, 99)
    driver.record(claim, said(0, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)
    [event] = events(driver.engine, EventKind.CONFLICT)
    detail = json.loads(event.detail)
    assert (detail["word"], detail["said"], detail["msg_id"]) == (Reason.SAID_SENT, 99, 71)


def test_refusal_of_the_only_doubtful_call_after_sent_is_told_and_moves_nothing(
    driver: Driver, broadcast_id: str
) -> None:
    claim = driver.claim()
    take_over(driver).call(said(40130))
    resolve(driver.engine, broadcast_id, 99)
    driver.record(claim, said(45009))
    assert ledger.batch(driver.engine, broadcast_id).msg_id == 99
    assert len(events(driver.engine, EventKind.CONFLICT)) == 1


@pytest.mark.parametrize("msg_id", [99, None])
@pytest.mark.parametrize("late", [LOST, CallResult(outcome=Outcome.NOT_CALLED), said(45009)])
def test_late_doubt_or_refusal_does_not_overturn_a_persons_word(
    driver: Driver, broadcast_id: str, msg_id: int | None, late: CallResult
) -> None:
    claim = driver.claim()
    take_over(driver).call(said(40130))
    resolve(driver.engine, broadcast_id, msg_id)
    state = ledger.batch(driver.engine, broadcast_id).state
    driver.record(claim, late)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (state, msg_id)


@pytest.mark.parametrize("msg_id", [71, 72, 99])
def test_word_on_two_msg_ids_is_not_overturned_by_a_late_doubt(
    driver: Driver, broadcast_id: str, msg_id: int
) -> None:
    """The contradiction is in the history for ever; only a new reply is news."""
    first = driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    third = take_over(second_driver)
    third.call(said(0, msg_id=71))
    driver.record(first, said(0, msg_id=72))
    assert ledger.batch(driver.engine, broadcast_id).reason is Reason.TWO_MSG_IDS
    resolve(driver.engine, broadcast_id, msg_id)
    second_driver.record(second, LOST)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, msg_id)
    assert findings(driver.engine) == set()


def test_word_on_a_foreign_msg_id_is_not_overturned_by_a_late_doubt(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=50))
    claim = driver.claim()
    second = take_over(driver)
    second.call(said(45065, msg_id=50))
    assert ledger.batch(driver.engine, broadcast_id, 2).reason is Reason.FOREIGN_MSG_ID
    resolve(driver.engine, broadcast_id, 99, 2)
    driver.record(claim, LOST)
    batch = ledger.batch(driver.engine, broadcast_id, 2)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 99)
    assert findings(driver.engine) == set()


# -- a word that was wrong


def mistyped(driver: Driver, broadcast_id: str) -> None:
    """Let a person name a msg_id of batch 1 that WeChat then gives to batch 2."""
    doubt(driver)
    resolve(driver.engine, broadcast_id, 50)
    driver.call(said(0, msg_id=50))
    stands = ledger.batch(driver.engine, broadcast_id, 2)
    assert (stands.state, stands.reason) == (BatchState.IN_DOUBT, Reason.FOREIGN_MSG_ID)


def test_not_sent_is_refused_where_wechat_answered_with_0(
    driver: Driver, broadcast_id: str
) -> None:
    """A retry would send it twice."""
    mistyped(driver, broadcast_id)
    why = refused(driver.engine, broadcast_id, None, 2)
    assert why.message_id == "error.resolve.accepted_elsewhere"
    assert (why.facts["owner"], why.facts["owner_n"]) == (broadcast_id, 1)


def test_not_sent_is_refused_where_wechat_answered_with_0_twice(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    take_over(driver).call(said(0, msg_id=71))
    driver.record(first, said(0, msg_id=72))
    why = refused(driver.engine, broadcast_id, None)
    assert (why.message_id, why.facts["msg_id"]) == ("error.resolve.accepted", "71, 72")


def test_msg_id_that_a_person_gave_away_names_the_word_to_correct(
    driver: Driver, broadcast_id: str
) -> None:
    mistyped(driver, broadcast_id)
    why = refused(driver.engine, broadcast_id, 50, 2)
    assert why.message_id == "error.resolve.owned_by_word"
    assert (why.facts["owner"], why.facts["owner_n"]) == (broadcast_id, 1)


@pytest.mark.parametrize("msg_id", [51, None])
def test_correcting_a_word_gives_the_msg_id_to_the_batch_for_which_wechat_named_it(
    driver: Driver, broadcast_id: str, msg_id: int | None
) -> None:
    mistyped(driver, broadcast_id)
    assert resolve(driver.engine, broadcast_id, msg_id).changed
    first, second = (ledger.batch(driver.engine, broadcast_id, n) for n in (1, 2))
    assert (first.state is BatchState.ACCEPTED, first.msg_id) == (msg_id is not None, msg_id)
    assert (second.state, second.msg_id, second.reason) == (BatchState.ACCEPTED, 50, None)
    told = broadcast_reports.report(driver.engine, broadcast_id).state
    assert told is (BroadcastState.PARTIAL if msg_id is None else BroadcastState.COMPLETED)
    assert findings(driver.engine) == set()


@pytest.mark.parametrize("status", ["SEND_SUCCESS", recorded_ends.FAILED])
def test_word_whose_job_mass_get_told_of_can_still_be_corrected(
    driver: Driver, broadcast_id: str, status: str
) -> None:
    """The job is there, but it is another batch's."""
    mistyped(driver, broadcast_id)
    asked = ledger.batch(driver.engine, broadcast_id)
    recorded_ends.record_status(driver.engine, asked, status, waits=Waits())
    resolve(driver.engine, broadcast_id, 51)
    first = ledger.batch(driver.engine, broadcast_id)
    assert (first.state, first.msg_id, first.msg_status) == (BatchState.ACCEPTED, 51, None)
    assert ledger.batch(driver.engine, broadcast_id, 2).msg_id == 50
    assert findings(driver.engine) == set()


def test_corrected_word_stands_in_the_history_beside_the_first(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, 50)
    resolve(driver.engine, broadcast_id, 51)
    told = [
        json.loads(one.detail)
        for one in events(driver.engine, EventKind.BATCH_MOVE)
        if one.who == WHO
    ]
    assert [(one["old"], one["new"]) for one in told] == [
        ("in_doubt", "accepted"),
        ("accepted", "in_doubt"),
        ("in_doubt", "accepted"),
    ]


def test_word_that_a_reply_confirms_stands(driver: Driver, broadcast_id: str) -> None:
    claim = driver.claim()
    take_over(driver).call(said(40130))
    resolve(driver.engine, broadcast_id, 71)
    driver.record(claim, said(0, msg_id=71))
    for other in (99, None):
        why = refused(driver.engine, broadcast_id, other)
        assert why.message_id == "error.resolve.not_in_doubt"


def test_word_that_agrees_with_a_reply_after_all_takes_its_denial_back(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    take_over(driver).call(said(0, msg_id=71))
    driver.record(first, said(0, msg_id=72))
    resolve(driver.engine, broadcast_id, 99)
    resolve(driver.engine, broadcast_id, 72)
    assert ledger.batch(driver.engine, broadcast_id).msg_id == 72
    assert refused(driver.engine, broadcast_id, 99).message_id == "error.resolve.not_in_doubt"
    assert findings(driver.engine) == set()


def test_msg_id_that_wechat_named_for_another_batch_is_refused_until_a_person_says_whose_it_is(
    driver: Driver, broadcast_id: str
) -> None:
    """A 45065 that nothing proves may be that batch's job; a person takes it for another's."""
    doubt(driver)
    driver.call(said(45065, msg_id=50))
    ledger.pass_time(driver.engine, DAY)
    assert sweeps.doubt_expired(driver.engine) == 1
    why = refused(driver.engine, broadcast_id, 50)
    assert (why.message_id, why.facts["owner_n"]) == ("error.resolve.named", 2)
    resolve(driver.engine, broadcast_id, None, 2)
    resolve(driver.engine, broadcast_id, 50)
    assert ledger.batch(driver.engine, broadcast_id).msg_id == 50
    assert findings(driver.engine) == set()
