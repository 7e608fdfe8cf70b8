"""Retry: what was definitely refused for a reason that may pass, or never called, and no other."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, select, update

from broadcast.errors import InputError, PlanError, UnknownIdError
from broadcast.names import EventKind
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.proof import Quota
from broadcast.rules.reports import total
from broadcast.rules.states import BatchState, BroadcastState
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from broadcast.views.texts import Texts
from entrypoints.cli.commands.resolve import retried
from models.every_table import BroadcastRow, Event
from models.ledger.audit import audit_run, case
from models.ledger.lane.next_work import Kind
from models.ledger.lists import suppressions
from models.ledger.outcomes import recorded_ends
from models.ledger.steer import operator, retries
from models.ledger.steer.retries import Goes, Retried
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import lost_then, snapshot
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

WHO = "cli:王小明@desk"


def retry(engine: Engine, broadcast_id: str) -> Retried:
    return retries.retry(engine, broadcast_id, who=WHO, why="they follow again")


def small(engine: Engine, batches: int = 2) -> str:
    """A broadcast whose batches cannot be halved."""
    return ledger.broadcast(engine, size=2 * batches, batches=batches)


def numbers(done: Retried, place: RetryVerdict) -> list[int]:
    return [n for group in done.groups_of(place) for n in group.numbers]


def findings(engine: Engine) -> list[case.Finding]:
    return audit_run.audit_all(engine, waits=Waits()).findings


@pytest.mark.parametrize("errcode", [43004, 48002, 50005])
def test_refused_batch_whose_reason_may_pass_is_called_again_with_its_key(
    engine: Engine, errcode: int
) -> None:
    broadcast_id = small(engine)
    driver = Driver(engine)
    driver.call(said(errcode))
    driver.call(said(0, msg_id=2))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PARTIAL
    key = ledger.batch(engine, broadcast_id).clientmsgid

    done = retry(engine, broadcast_id)

    assert (numbers(done, RetryVerdict.AGAIN), done.goes) == ([1], Goes.ON)
    assert total(group.followers for group in done.groups_of(RetryVerdict.AGAIN)) == 2
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.finished_at) == (BroadcastState.SENDING, None)
    work = driver.next()
    assert (work.n, work.clientmsgid) == (1, key)
    driver.call(said(0, msg_id=1))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED
    assert findings(engine) == []


@pytest.mark.parametrize("errcode", [40003, 40130, 46004, 49003])
def test_refusal_that_stays_is_left_and_said(engine: Engine, errcode: int) -> None:
    broadcast_id = small(engine)
    driver = Driver(engine)
    driver.call(said(errcode))
    driver.call(said(0, msg_id=2))
    before = snapshot(engine)

    done = retry(engine, broadcast_id)

    [left] = done.groups_of(RetryVerdict.PERMANENT)
    assert (list(left.numbers), left.errcode, left.followers) == ([1], errcode, 2)
    assert done.goes is Goes.NOTHING
    assert snapshot(engine) == before


def test_retry_twice_changes_nothing_more(engine: Engine) -> None:
    broadcast_id = small(engine)
    driver = Driver(engine)
    driver.call(said(43004))
    driver.call(said(43004))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.FAILED
    assert numbers(retry(engine, broadcast_id), RetryVerdict.AGAIN) == [1, 2]
    before = snapshot(engine)
    again = retry(engine, broadcast_id)
    assert (numbers(again, RetryVerdict.AGAIN), again.goes) == ([], Goes.ALREADY)
    assert numbers(again, RetryVerdict.WAITS) == [1, 2]
    assert snapshot(engine) == before


def test_batch_in_doubt_is_never_touched(engine: Engine) -> None:
    broadcast_id = small(engine, 3)
    driver = Driver(engine)
    lost_then(driver, said(40130))
    driver.call(said(43004))
    driver.call(said(0, msg_id=3))
    doubt = ledger.batch(engine, broadcast_id)

    done = retry(engine, broadcast_id)

    assert numbers(done, RetryVerdict.IN_DOUBT) == [1]
    assert numbers(done, RetryVerdict.AGAIN) == [2]
    assert ledger.batch(engine, broadcast_id) == doubt
    driver.call(said(0, msg_id=2))
    assert driver.next().kind is Kind.REST
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD


def test_unknown_batch_and_one_in_flight_are_left_to_themselves(engine: Engine) -> None:
    broadcast_id = small(engine, 3)
    driver = Driver(engine)
    driver.call(LOST)
    before = ledger.batches(engine, broadcast_id)
    done = retry(engine, broadcast_id)
    assert (numbers(done, RetryVerdict.WAITS), numbers(done, RetryVerdict.NEVER_CALLED)) == (
        [1],
        [2, 3],
    )
    assert (done.goes, ledger.batches(engine, broadcast_id)) == (Goes.ALREADY, before)


def test_batch_that_the_review_refused_was_taken_and_is_left(engine: Engine) -> None:
    broadcast_id = small(engine, 1)
    Driver(engine).call(said(0, msg_id=1))
    recorded_ends.record_status(
        engine, ledger.batch(engine, broadcast_id), recorded_ends.FAILED, waits=Waits()
    )
    done = retry(engine, broadcast_id)
    assert (numbers(done, RetryVerdict.REVIEWED), done.goes) == ([1], Goes.NOTHING)
    assert ledger.batch(engine, broadcast_id).state is BatchState.REFUSED


def test_refused_batch_with_a_call_that_may_have_been_taken_is_left(engine: Engine) -> None:
    """The ledger's own rules never refuse such a batch; retry looks for itself all the same."""
    broadcast_id = small(engine, 1)
    driver = Driver(engine)
    driver.call(said(43004))
    retry(engine, broadcast_id)
    driver.claim()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET state = 'refused', errcode = 43004")
    assert numbers(retry(engine, broadcast_id), RetryVerdict.MAYBE_SENT) == [1]
    assert ledger.batch(engine, broadcast_id).state is BatchState.REFUSED


def test_cancel_is_final(engine: Engine) -> None:
    broadcast_id = small(engine)
    Driver(engine).call(said(43004))
    operator.cancel(engine, broadcast_id, who=WHO)
    before = snapshot(engine)
    with pytest.raises(InputError) as caught:
        retry(engine, broadcast_id)
    assert caught.value.message_id == "error.retry.cancelled"
    assert snapshot(engine) == before


def test_unknown_id_is_told_with_the_near_one(engine: Engine) -> None:
    broadcast_id = small(engine)
    with pytest.raises(UnknownIdError) as caught:
        retry(engine, broadcast_id + "x")
    assert caught.value.facts["near"] == broadcast_id


def test_pause_by_hand_stays_and_is_said(engine: Engine) -> None:
    broadcast_id = small(engine)
    driver = Driver(engine)
    driver.call(said(43004))
    operator.pause(engine, broadcast_id, who=WHO)
    done = retry(engine, broadcast_id)
    assert (numbers(done, RetryVerdict.AGAIN), done.goes) == ([1], Goes.PAUSED)
    assert driver.next().kind is Kind.REST
    operator.resume(engine, broadcast_id, who=WHO)
    assert driver.next().n == 1


@pytest.mark.parametrize(("errcode", "again"), [(45028, []), (48008, [1])])
def test_pause_by_hand_of_what_a_refusal_paused_stays_until_a_person_resumes_it(
    engine: Engine, errcode: int, again: list[int]
) -> None:
    broadcast_id = small(engine)
    driver = Driver(engine)
    driver.call(said(errcode))
    refused = broadcast_reports.report(engine, broadcast_id)

    assert operator.pause(engine, broadcast_id, who=WHO, why="the list is wrong")
    assert not operator.pause(engine, broadcast_id, who="somebody else")

    done = retry(engine, broadcast_id)
    assert (numbers(done, RetryVerdict.AGAIN), done.goes) == (again, Goes.PAUSED)
    assert not operator.pause(engine, broadcast_id, who="somebody else"), "a retry lifts no pause"
    assert driver.next().kind is Kind.REST
    told = broadcast_reports.report(engine, broadcast_id)
    breaker, pause = told.gate(GateKind.BREAKER), told.gate(GateKind.PAUSE)
    assert (told.state, breaker) == (BroadcastState.PAUSED, refused.gate(GateKind.BREAKER))
    assert breaker is not None
    assert breaker.errcode == errcode
    assert pause is not None
    assert (pause.closed_by, pause.why) == (WHO, "the list is wrong")
    assert findings(engine) == []
    assert operator.resume(engine, broadcast_id, who=WHO)
    assert driver.next().kind is Kind.CALL


def test_pause_by_hand_that_was_resumed_does_not_hold_what_a_refusal_pauses_later(
    engine: Engine,
) -> None:
    broadcast_id = small(engine, 3)
    driver = Driver(engine)
    driver.call(said(48008))
    operator.pause(engine, broadcast_id, who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    driver.call(said(48008))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PAUSED
    assert retry(engine, broadcast_id).goes is Goes.ON


def test_a_retry_goes_round_no_proof(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(), quota=None)
    too_few = Quota(daily_limit=1, used=0, remain=1)
    ledger.planned(engine, broadcast_id, quota=too_few)

    done = retry(engine, broadcast_id)

    assert (numbers(done, RetryVerdict.NEVER_CALLED), done.goes) == ([1, 2], Goes.HELD)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD
    with pytest.raises(PlanError):
        operator.resume(engine, broadcast_id, who=WHO, quota=too_few)
    driver = Driver(engine)
    assert driver.next().kind is Kind.REST
    assert operator.resume(engine, broadcast_id, who=WHO)
    assert driver.next().kind is Kind.CALL


@pytest.mark.parametrize(
    ("errcode", "again", "goes", "state"),
    [
        (45028, [], Goes.ON, BroadcastState.SENDING),
        (48008, [1], Goes.ON, BroadcastState.SENDING),
        (45002, [], Goes.REFUSED, BroadcastState.PAUSED),
    ],
)
def test_broadcast_that_a_refusal_paused_goes_on_unless_its_content_stays_refused(
    engine: Engine, errcode: int, again: list[int], goes: Goes, state: BroadcastState
) -> None:
    broadcast_id = small(engine)
    Driver(engine).call(said(errcode))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PAUSED
    done = retry(engine, broadcast_id)
    assert (numbers(done, RetryVerdict.AGAIN), done.goes) == (again, goes)
    assert broadcast_reports.report(engine, broadcast_id).state is state


def test_word_stands_in_the_history_with_its_speaker_and_why(engine: Engine) -> None:
    broadcast_id = small(engine)
    driver = Driver(engine)
    driver.call(said(43004))
    driver.call(said(0, msg_id=2))
    retry(engine, broadcast_id)
    with engine.connect() as connection:
        rows = connection.execute(select(Event.kind, Event.detail).where(Event.who == WHO)).all()
    assert [row.kind for row in rows] == [EventKind.BATCH_MOVE, EventKind.OPERATOR_ACTION]
    assert {json.loads(row.detail)["why"] for row in rows} == {"they follow again"}


def test_look_tells_what_a_retry_would_find(engine: Engine) -> None:
    broadcast_id = small(engine)
    Driver(engine).call(said(43004))
    before = snapshot(engine)
    found = {
        group.verdict: list(group.numbers) for group in retries.retry_verdicts(engine, broadcast_id)
    }
    assert found == {RetryVerdict.AGAIN: [1], RetryVerdict.NEVER_CALLED: [2]}
    assert snapshot(engine) == before


def test_a_pause_ends_with_its_broadcast(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=2, batches=1)
    driver = Driver(engine)
    claim = driver.claim()
    operator.pause(engine, broadcast_id, who=WHO)
    driver.record(claim, said(43004))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.FAILED

    assert retry(engine, broadcast_id).goes is Goes.ON

    assert driver.next().kind is Kind.CALL
    assert findings(engine) == []


@pytest.mark.every_database
def test_refused_batch_in_which_somebody_was_suppressed_since_is_left_and_the_number_is_said(
    engine: Engine,
) -> None:
    broadcast_id = small(engine, batches=3)
    driver = Driver(engine)
    driver.call(said(43004))
    driver.call(said(43004))
    driver.call(said(0, msg_id=3))
    word = SuppressionSource(kind=SuppressionKind.KEYWORD, who="tests")
    suppressions.suppress(engine, ledger.openids(6)[:1], word, account="default")

    foreseen = {
        group.verdict: group.numbers for group in retries.retry_verdicts(engine, broadcast_id)
    }
    done = retry(engine, broadcast_id)

    assert foreseen == {RetryVerdict.SUPPRESSED: [1], RetryVerdict.AGAIN: [2]}
    assert numbers(done, RetryVerdict.SUPPRESSED) == [1]
    assert (numbers(done, RetryVerdict.AGAIN), done.suppressed) == ([2], {1: 1})
    shown = [
        Texts("en")(line) for line in retried(broadcast_reports.report(engine, broadcast_id), done)
    ]
    [left] = [line for line in shown if "batch 1" in line]
    assert "1 of them on the suppression list" in left
    # Lifted again, it is called with its key.
    suppressions.lift(engine, ledger.openids(6)[:1], who="tests", account="default")
    assert numbers(retry(engine, broadcast_id), RetryVerdict.AGAIN) == [1]
    assert findings(engine) == []


def test_refused_batch_of_a_broadcast_to_the_suppressed_as_well_is_called_again(
    engine: Engine,
) -> None:
    broadcast_id = small(engine)
    Driver(engine).call(said(43004))
    with engine.begin() as connection:
        mine = update(BroadcastRow).where(BroadcastRow.id == broadcast_id)
        connection.execute(mine.values(selection='{"ignore_suppression":true}'))
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
    suppressions.suppress(engine, ledger.openids(4), word)

    assert numbers(retry(engine, broadcast_id), RetryVerdict.AGAIN) == [1]
