"""What came back decides with the whole history: the stories of the delivery promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.decide import Decision, Verdict
from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.batch_tables import AttemptRow
from models.every_table import Event
from models.ledger.lane import next_work, record_outcomes
from models.ledger.lane.next_work import Kind
from models.ledger.outcomes import resolves
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.models.still_clock import NOON, StillClock
from tests.integration.models.stories import (
    SOON,
    lane,
    lost_then,
    snapshot,
    take_over,
    the_gate,
)
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def test_accepted_batch_has_its_msg_id_and_is_polled(driver: Driver, broadcast_id: str) -> None:
    decision = driver.call(said(0, msg_id=2**40))
    assert decision.verdict is Verdict.ACCEPT
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 2**40)
    assert batch.poll_at is not None
    assert broadcast_reports.report(driver.engine, broadcast_id).state is BroadcastState.SENDING


@pytest.mark.parametrize("fact", [said(0, msg_id=7), LOST, said(45009), said(40003), said(40007)])
def test_same_fact_stored_twice_changes_nothing(driver: Driver, fact: CallResult) -> None:
    claim = driver.claim()
    first = driver.record(claim, fact)
    before = snapshot(driver.engine)
    again = driver.record(claim, fact)
    assert again.verdict is first.verdict
    assert snapshot(driver.engine) == before


def test_record_after_a_lost_answer_finds_what_was_stored(driver: Driver) -> None:
    """The first record was committed and nobody heard of it; the second says the same."""
    claim = driver.claim()
    driver.record(claim, said(0, msg_id=7))
    with driver.engine.connect() as connection:
        stored = connection.execute(select(AttemptRow.__table__)).one()
    decision = driver.record(claim, said(0, msg_id=7))
    assert (decision.verdict, decision.msg_id) == (Verdict.ACCEPT, 7)
    with driver.engine.connect() as connection:
        assert connection.execute(select(AttemptRow.__table__)).one() == stored


# -- a lost reply, and what the repeat brings


def test_lost_reply_then_45065_is_accepted_with_its_msg_id(
    driver: Driver, broadcast_id: str
) -> None:
    lost_then(driver, said(45065, msg_id=71))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id, batch.attempts) == (BatchState.ACCEPTED, 71, 2)


def test_lost_reply_then_acceptance_is_accepted(driver: Driver, broadcast_id: str) -> None:
    lost_then(driver, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.ACCEPTED


def test_lost_reply_then_45009_waits_for_the_day_and_stays_unknown(
    still: tuple[Engine, StillClock],
) -> None:
    engine, _ = still
    broadcast_id = ledger.broadcast(engine)
    lost_then(Driver(engine), said(45009))
    batch = ledger.batch(engine, broadcast_id)
    waits = lane(engine)
    assert (batch.state, batch.reason) == (BatchState.UNKNOWN, Reason.QUOTA_TODAY)
    assert (waits.wait_reason, waits.not_before) == (Reason.QUOTA_TODAY, batch.not_before)


def test_lost_reply_then_45009_whose_day_ends_too_late_is_in_doubt_and_the_lane_waits(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    # Half past midnight: the day ends in 23.5 h, and a repeat may come for 23 h.
    clock.pass_(timedelta(hours=12, minutes=30))
    broadcast_id = ledger.broadcast(engine)
    lost_then(Driver(engine), said(45009))

    batch, waits = ledger.batch(engine, broadcast_id), lane(engine)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.WINDOW_CLOSED)
    assert (waits.wait_reason, waits.not_before) == (Reason.QUOTA_TODAY, NOON + timedelta(hours=36))


@pytest.mark.parametrize("errcode", [48001, 40003, 40130, 40007, 45028, 43019])
def test_lost_reply_then_a_refusal_is_in_doubt_never_refused(
    driver: Driver, broadcast_id: str, errcode: int
) -> None:
    lost_then(driver, said(errcode))
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.REFUSED_AFTER_UNKNOWN)
    assert batch.errcode == errcode
    told = broadcast_reports.report(driver.engine, broadcast_id)
    assert told.recipients == {
        "accepted": 0,
        "refused": 0,
        "cancelled": 0,
        "in_doubt": 10,
        "waiting": 10,
    }


@pytest.mark.parametrize("fact", [said(-1), said(987654), said(0), said(45066), LOST])
def test_no_answer_to_trust_is_repeated(
    driver: Driver, broadcast_id: str, fact: CallResult
) -> None:
    """-1, codes that no list names, and a 0 without msg_id are unknown, never refused."""
    assert driver.call(fact).verdict is Verdict.REPEAT_UNKNOWN
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.UNKNOWN


def test_lost_reply_then_token_error_goes_again_at_once_and_a_second_stops_the_account(
    driver: Driver, broadcast_id: str
) -> None:
    lost_then(driver, said(40001))
    assert driver.next().kind is Kind.CALL
    driver.call(said(40001))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT
    assert the_gate(driver.engine, GateKind.STOP).scope is GateScope.ACCOUNT


def test_repeats_end_before_23_hours(driver: Driver, broadcast_id: str) -> None:
    driver.call(LOST)
    ledger.pass_time(driver.engine, timedelta(hours=22, minutes=59))
    late = Driver(driver.engine)
    late.call(LOST)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert batch.state is BatchState.UNKNOWN
    ledger.pass_time(driver.engine, timedelta(seconds=50))
    later = Driver(driver.engine)
    later.call(LOST)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.WINDOW_CLOSED)


# -- 45065 on a first call


def test_45065_on_a_first_call_is_verified_and_then_accepted(
    driver: Driver, broadcast_id: str
) -> None:
    assert driver.call(said(45065, msg_id=71)).verdict is Verdict.VERIFY
    work = driver.next()
    assert work.kind is Kind.VERIFY
    decision = record_outcomes.confirm(driver.engine, work.batch_id, 71, known=True)
    assert decision.verdict is Verdict.ACCEPT
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)


def test_45065_on_a_first_call_that_mass_get_denies_is_in_doubt_in_the_end(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065, msg_id=71))
    work = driver.next()
    decision = record_outcomes.confirm(driver.engine, work.batch_id, 71, known=False)
    assert decision.verdict is Verdict.VERIFY
    assert driver.next().kind is Kind.WAIT
    ledger.pass_time(driver.engine, timedelta(minutes=10, seconds=1))
    late = Driver(driver.engine)
    assert late.next().kind is Kind.VERIFY
    record_outcomes.confirm(driver.engine, work.batch_id, 71, known=False)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.UNPROVED_ACCEPTANCE)
    assert late.next().n == 2


def test_question_that_mass_get_refuses_is_put_off_and_given_up_in_the_end(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065, msg_id=71))
    work = driver.next()
    assert (
        record_outcomes.confirm(driver.engine, work.batch_id, 71, known=None).verdict
        is Verdict.VERIFY
    )
    assert driver.next().kind is Kind.WAIT
    ledger.pass_time(driver.engine, timedelta(minutes=10, seconds=1))
    late = Driver(driver.engine)
    record_outcomes.confirm(driver.engine, work.batch_id, 71, known=None)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.UNPROVED_ACCEPTANCE)
    assert late.next().n == 2


def test_msg_id_of_a_refusal_is_not_what_mass_get_is_asked_about(
    driver: Driver, broadcast_id: str
) -> None:
    """Asked about the wrong job, the batch would be asked about again without a pause."""
    first = driver.claim()
    second_driver = take_over(driver)
    second = second_driver.claim()
    driver.record(first, replace(said(40001), msg_id=70))
    assert second_driver.record(second, said(45065, msg_id=71)).verdict is Verdict.VERIFY
    assert _confirm(second_driver).verdict is Verdict.ACCEPT
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)


def test_msg_id_that_a_person_denied_is_not_what_mass_get_is_asked_about(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065, msg_id=70))
    ledger.pass_time(driver.engine, timedelta(minutes=10, seconds=1))
    late = Driver(driver.engine)
    _confirm(late, known=False)
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=NotSent(), who="tests")
    retries.retry(driver.engine, broadcast_id, who="tests")
    assert late.call(said(45065, msg_id=71)).verdict is Verdict.VERIFY
    assert _confirm(late).verdict is Verdict.ACCEPT
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 71)


def test_answer_of_mass_get_is_never_followed_by_the_next_question_at_once(
    driver: Driver, broadcast_id: str
) -> None:
    del broadcast_id
    driver.call(said(45065, msg_id=71))
    work = driver.next()
    assert work.kind is Kind.VERIFY
    assert (
        record_outcomes.confirm(driver.engine, work.batch_id, 70, known=False).verdict
        is Verdict.VERIFY
    )
    assert driver.next().kind is Kind.WAIT


def test_question_that_a_person_was_quicker_than_is_asked_all_the_same(
    driver: Driver, broadcast_id: str
) -> None:
    """He spoke after the lane had read that mass/get is to be asked; the answer changes nothing."""
    driver.call(said(45065, msg_id=71))
    work = driver.next()
    operator.cancel(driver.engine, broadcast_id, who="tests")
    resolves.resolve(driver.engine, broadcast_id, work.n, verdict=NotSent(), who="tests")
    assert next_work.reported_msg_id(driver.engine, work.batch_id) == 71
    record_outcomes.confirm(driver.engine, work.batch_id, 71, known=True)
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.REFUSED, Reason.SAID_NOT_SENT)


def _confirm(driver: Driver, *, known: bool = True) -> Decision:
    """Do what a lane does next, which is to ask mass/get, and let it answer."""
    work = driver.next()
    assert work.kind is Kind.VERIFY
    msg_id = next_work.reported_msg_id(driver.engine, work.batch_id)
    assert msg_id is not None
    return record_outcomes.confirm(driver.engine, work.batch_id, msg_id, known=known)


def test_45065_on_a_first_call_without_msg_id_is_in_doubt(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT


def test_msg_id_of_another_batch_is_in_doubt(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(LOST)
    ledger.pass_time(driver.engine, SOON)
    driver.call(said(45065, msg_id=71))
    one, other = ledger.batches(driver.engine, broadcast_id)
    assert (one.state, one.msg_id) == (BatchState.ACCEPTED, 71)
    assert (other.state, other.reason) == (BatchState.IN_DOUBT, Reason.FOREIGN_MSG_ID)
    assert other.msg_id is None


def test_same_msg_id_of_another_account_is_nothing_foreign(engine: Engine) -> None:
    ids = [ledger.broadcast(engine, owner=ledger.account(name)) for name in ("north", "south")]
    for name in ("north", "south"):
        Driver(engine, name).call(said(0, msg_id=71))
    for broadcast_id in ids:
        assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED


# -- rest


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ((said(0, msg_id=1), said(0, msg_id=2)), BroadcastState.COMPLETED),
        ((said(0, msg_id=1), said(40130)), BroadcastState.PARTIAL),
        ((said(40130), said(40130)), BroadcastState.FAILED),
        ((said(45065), said(0, msg_id=2)), BroadcastState.HELD),
    ],
)
def test_broadcast_rests_as_its_batches_say(
    driver: Driver, broadcast_id: str, facts: tuple[CallResult, CallResult], state: BroadcastState
) -> None:
    driver.call(facts[0])
    assert broadcast_reports.report(driver.engine, broadcast_id).finished_at is None
    driver.call(facts[1])
    told = broadcast_reports.report(driver.engine, broadcast_id)
    assert told.state is state
    assert told.finished_at is not None
    assert driver.next().kind is Kind.REST


def test_history_tells_every_move(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    with driver.engine.connect() as connection:
        rows = connection.execute(
            select(Event.kind, Event.detail, Event.broadcast_id).order_by(Event.id)
        ).all()
    assert {row.broadcast_id for row in rows} == {broadcast_id}
    assert [row.kind for row in rows].count(EventKind.BATCH_MOVE) == 2
    assert '"new": "completed"' in rows[-1].detail
