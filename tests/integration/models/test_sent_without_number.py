"""An operator's "sent" without a msg_id: what it closes, what comes later, and what adds the id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.every_table import Batch
from models.ledger.audit.case import Found
from models.ledger.outcomes import recorded_ends
from models.ledger.steer import operator, retries, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import lost_then, snapshot, take_over
from tests.integration.models.words import DAY, WHO, doubt, events, findings, refused, resolve
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

SENT = Sent()
UNNAMED = (BatchState.ACCEPTED, Reason.SAID_SENT, None)


def stands(engine: Engine, broadcast_id: str, n: int = 1) -> tuple[Any, ...]:
    batch = ledger.batch(engine, broadcast_id, n)
    return batch.state, batch.reason, batch.msg_id


def frozen(driver: Driver, fact: CallResult | None = None) -> Any:
    """Put batch 1 in doubt while the driver of its first call is frozen; return that claim."""
    claim = driver.claim()
    take_over(driver).call(fact or said(40130))
    return claim


def test_sent_alone_closes_a_doubt_and_nothing_waits_for_its_result(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    doubt(Driver(engine))

    done = resolve(engine, broadcast_id, SENT)

    assert (done.changed, done.msg_id, done.deniable) == (True, None, True)
    assert stands(engine, broadcast_id) == UNNAMED
    report = broadcast_reports.report(engine, broadcast_id)
    assert (report.state, report.results_due) == (BroadcastState.COMPLETED, 0)
    assert report.recipients["accepted"] == 20
    ledger.pass_time(engine, 3 * DAY)
    assert recorded_ends.due_accounts(engine) == []
    assert recorded_ends.due_batches(engine, "default", 10) == []
    assert findings(engine) == set()


def test_sent_alone_twice_changes_nothing(driver: Driver, broadcast_id: str) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, SENT)
    before = snapshot(driver.engine)

    assert not resolve(driver.engine, broadcast_id, SENT).changed

    assert snapshot(driver.engine) == before


def test_sent_alone_says_nothing_against_a_msg_id_that_is_known(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, 99)

    done = resolve(driver.engine, broadcast_id, SENT)

    assert (done.changed, done.msg_id) == (False, 99)


def test_msg_id_is_added_later_and_asked_about(engine: Engine) -> None:
    broadcast_id, driver = ledger.broadcast(engine, batches=1), Driver(engine)
    doubt(driver)
    resolve(driver.engine, broadcast_id, SENT)

    done = resolve(driver.engine, broadcast_id, 99)

    assert (done.changed, done.msg_id) == (True, 99)
    assert stands(driver.engine, broadcast_id) == (BatchState.ACCEPTED, Reason.SAID_SENT, 99)
    ledger.pass_time(driver.engine, timedelta(minutes=3))
    [asked] = recorded_ends.due_batches(driver.engine, "default", 10)
    recorded_ends.record_status(driver.engine, asked, "SEND_SUCCESS", waits=Waits())
    assert stands(driver.engine, broadcast_id)[0] is BatchState.FINISHED
    assert findings(driver.engine) == set()


@pytest.mark.parametrize("late", [said(0, msg_id=71), said(45065, msg_id=71)])
def test_reply_that_comes_later_adds_its_msg_id_and_contradicts_nobody(
    driver: Driver, broadcast_id: str, late: CallResult
) -> None:
    """The 45065 can be about the first call, of which nobody ever heard."""
    driver.claim()
    second = take_over(driver)
    claim = second.claim()
    take_over(second).call(said(40130))
    resolve(driver.engine, broadcast_id, SENT)

    second.record(claim, late)

    assert stands(driver.engine, broadcast_id) == (BatchState.ACCEPTED, None, 71)
    assert ledger.batch(driver.engine, broadcast_id).poll_at is not None
    assert events(driver.engine, EventKind.CONFLICT) == []
    assert findings(driver.engine) == set()


def test_late_already_accepted_without_msg_id_confirms_it(
    driver: Driver, broadcast_id: str
) -> None:
    """It cannot be called not sent any more, and its msg_id may still be added."""
    driver.claim()
    second = take_over(driver)
    claim = second.claim()
    take_over(second).call(said(40130))
    resolve(driver.engine, broadcast_id, SENT)

    second.record(claim, said(45065))

    assert stands(driver.engine, broadcast_id) == UNNAMED
    why = refused(driver.engine, broadcast_id, None)
    assert why.message_id == "error.resolve.not_in_doubt"
    assert resolve(driver.engine, broadcast_id, 99).changed
    assert not resolve(driver.engine, broadcast_id, 99).deniable
    assert findings(driver.engine) == set()


@pytest.mark.parametrize("late", [LOST, CallResult(outcome=Outcome.NOT_CALLED), said(45009)])
def test_late_doubt_or_refusal_moves_nothing_and_only_a_refusal_is_a_conflict(
    driver: Driver, broadcast_id: str, late: CallResult
) -> None:
    claim = frozen(driver)
    resolve(driver.engine, broadcast_id, SENT)

    driver.record(claim, late)

    assert stands(driver.engine, broadcast_id) == UNNAMED
    told = [
        (one.word, one.msg_id) for one in broadcast_reports.conflicts(driver.engine, broadcast_id)
    ]
    assert told == ([] if late is LOST else [(Reason.SAID_SENT, None)])
    assert findings(driver.engine) == set()


def test_sent_alone_takes_the_one_msg_id_that_a_reply_named(engine: Engine) -> None:
    broadcast_id, driver = ledger.broadcast(engine, batches=1), Driver(engine)
    driver.call(said(45065, msg_id=50))
    ledger.pass_time(driver.engine, DAY)
    assert sweeps.doubt_expired(driver.engine) == 1

    done = resolve(driver.engine, broadcast_id, SENT)

    assert (done.msg_id, done.deniable) == (50, True)
    assert stands(driver.engine, broadcast_id) == (BatchState.ACCEPTED, Reason.SAID_SENT, 50)
    assert ledger.batch(driver.engine, broadcast_id).poll_at is not None
    assert findings(driver.engine) == set()
    assert resolve(driver.engine, broadcast_id, None).changed, "the reply proves nothing"
    assert findings(driver.engine) == set()


def test_sent_alone_is_refused_where_replies_named_two_jobs(
    driver: Driver, broadcast_id: str
) -> None:
    first = driver.claim()
    take_over(driver).call(said(0, msg_id=71))
    driver.record(first, said(0, msg_id=72))

    why = refused(driver.engine, broadcast_id, SENT)

    assert (why.message_id, why.facts["msg_ids"]) == ("error.resolve.several", "71, 72")


def test_choice_between_two_jobs_can_be_changed(driver: Driver, broadcast_id: str) -> None:
    first = driver.claim()
    take_over(driver).call(said(0, msg_id=71))
    driver.record(first, said(0, msg_id=72))
    resolve(driver.engine, broadcast_id, 71)

    assert refused(driver.engine, broadcast_id, 99).message_id == "error.resolve.not_in_doubt"
    assert resolve(driver.engine, broadcast_id, 72).changed

    assert stands(driver.engine, broadcast_id) == (BatchState.ACCEPTED, Reason.SAID_SENT, 72)
    assert findings(driver.engine) == set()


def test_sent_alone_does_not_take_a_job_that_is_another_batchs(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=50))
    driver.claim()
    take_over(driver).call(said(45065, msg_id=50))
    assert stands(driver.engine, broadcast_id, 2)[1] is Reason.FOREIGN_MSG_ID

    resolve(driver.engine, broadcast_id, SENT, 2)

    assert stands(driver.engine, broadcast_id, 2) == UNNAMED
    assert stands(driver.engine, broadcast_id, 1) == (BatchState.ACCEPTED, None, 50)
    assert findings(driver.engine) == set()


def test_sent_alone_names_the_verdict_that_gave_its_job_away(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, 50)
    driver.call(said(0, msg_id=50))

    why = refused(driver.engine, broadcast_id, SENT, 2)

    assert (why.message_id, why.facts["owner_n"]) == ("error.resolve.owned_by_word", 1)


def test_job_that_wechat_named_for_two_batches_is_nobodys_until_an_operator_says_whose(
    engine: Engine,
) -> None:
    """Two 45065 that nothing proves; otherwise the first to be settled would take it."""
    broadcast_id = ledger.broadcast(engine)
    for owner in ("one", "two"):
        Driver(engine, owner=owner).call(said(45065, msg_id=50))
        ledger.pass_time(engine, DAY)
        assert sweeps.doubt_expired(engine) == 1

    for n in (1, 2):
        assert resolve(engine, broadcast_id, SENT, n).msg_id is None

    assert findings(engine) == set()
    assert resolve(engine, broadcast_id, 50, 2).changed
    assert findings(engine) == set()


# -- a verdict that was wrong

PAIRS = [
    (None, SENT),
    (None, 99),
    (SENT, None),
    (SENT, 99),
    (98, None),
    (98, 99),
]


@pytest.mark.parametrize("cancelled", [None, "before", "between"])
@pytest.mark.parametrize(("wrong", "right"), PAIRS)
def test_each_verdict_is_corrected_by_each_other_and_the_sets_follow(
    driver: Driver, broadcast_id: str, wrong: Any, right: Any, cancelled: str | None
) -> None:
    frozen(driver)
    if cancelled == "before":
        operator.cancel(driver.engine, broadcast_id, who=WHO)
    resolve(driver.engine, broadcast_id, wrong)
    if cancelled == "between":
        operator.cancel(driver.engine, broadcast_id, who=WHO)

    done = resolve(driver.engine, broadcast_id, right)

    assert (done.changed, done.cancelled) == (True, cancelled is not None)
    report = broadcast_reports.report(driver.engine, broadcast_id)
    name = "refused" if right is None else "accepted"
    assert {set_: n for set_, n in report.recipients.items() if n} == {
        name: 10,
        "cancelled" if cancelled else "waiting": 10,
    }
    msg_id = right if isinstance(right, int) else None
    assert ledger.batch(driver.engine, broadcast_id).msg_id == msg_id
    assert findings(driver.engine) == set()


@pytest.mark.parametrize(("wrong", "right"), PAIRS)
def test_reply_0_that_comes_after_a_correction_is_the_fact(
    driver: Driver, broadcast_id: str, wrong: Any, right: Any
) -> None:
    claim = frozen(driver)
    resolve(driver.engine, broadcast_id, wrong)
    resolve(driver.engine, broadcast_id, right)

    driver.record(claim, said(0, msg_id=71))

    assert stands(driver.engine, broadcast_id) == (BatchState.ACCEPTED, None, 71)
    words = [one.word for one in broadcast_reports.conflicts(driver.engine, broadcast_id)]
    assert (
        words
        == {
            None: [Reason.SAID_NOT_SENT],
            SENT: [],
            99: [Reason.SAID_SENT],
        }[right]
    )
    assert findings(driver.engine) == set()


def test_correction_to_sent_is_not_contradicted_by_an_already_accepted(
    driver: Driver, broadcast_id: str
) -> None:
    driver.claim()
    second = take_over(driver)
    claim = second.claim()
    take_over(second).call(said(40130))
    resolve(driver.engine, broadcast_id, None)
    resolve(driver.engine, broadcast_id, SENT)

    second.record(claim, said(45065, msg_id=71))

    assert stands(driver.engine, broadcast_id) == (BatchState.ACCEPTED, None, 71)
    assert events(driver.engine, EventKind.CONFLICT) == []


def test_what_a_retry_put_back_is_called_again_and_cannot_be_resolved(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, None)
    retries.retry(driver.engine, broadcast_id, who=WHO)
    for state in (BatchState.PLANNED, BatchState.UNKNOWN):
        assert stands(driver.engine, broadcast_id)[0] is state
        for verdict in (SENT, 99, None):
            why = refused(driver.engine, broadcast_id, verdict)
            assert why.message_id == "error.resolve.called_again"
        if state is BatchState.PLANNED:
            driver.call(LOST)


def test_what_a_retry_called_and_wechat_refused_may_still_have_been_sent_before(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, None)
    retries.retry(driver.engine, broadcast_id, who=WHO)
    driver.call(said(43004))
    assert stands(driver.engine, broadcast_id)[0] is BatchState.REFUSED
    assert refused(driver.engine, broadcast_id, None).message_id == "error.resolve.not_in_doubt"

    assert resolve(driver.engine, broadcast_id, SENT).changed

    assert stands(driver.engine, broadcast_id) == UNNAMED
    assert findings(driver.engine) == set()


def test_what_wechat_refused_and_nobody_doubts_is_no_matter_of_a_verdict(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(40003))

    for verdict in (SENT, 99, None):
        why = refused(driver.engine, broadcast_id, verdict)
        assert why.message_id == "error.resolve.not_in_doubt"


def test_sent_alone_on_what_wechat_accepted_is_refused(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=7))

    for verdict in (SENT, 99, None):
        why = refused(driver.engine, broadcast_id, verdict)
        assert why.message_id == "error.resolve.not_in_doubt"


def test_two_batches_are_settled_each_by_its_own_verdict(engine: Engine) -> None:
    broadcast_id, driver = ledger.broadcast(engine), Driver(engine)
    doubt(driver)
    doubt(driver)

    resolve(engine, broadcast_id, SENT, 1)
    resolve(engine, broadcast_id, None, 2)

    report = broadcast_reports.report(engine, broadcast_id)
    assert report.state is BroadcastState.PARTIAL
    assert (report.recipients["accepted"], report.recipients["refused"]) == (10, 10)
    assert findings(engine) == set()


def test_audit_finds_what_was_accepted_by_nobodys_word(driver: Driver, broadcast_id: str) -> None:
    """Neither a reply nor an operator: the row says so, and nothing explains it."""
    lost_then(driver, said(48001))
    with driver.engine.begin() as connection:
        connection.execute(
            update(Batch)
            .where(Batch.broadcast_id == broadcast_id, Batch.n == 1)
            .values(state=BatchState.ACCEPTED, reason=Reason.SAID_SENT, poll_at=None)
        )

    assert Found.UNEXPLAINED in findings(driver.engine)
