"""Moments between two transactions, in which something else happened to the same batch."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event

from broadcast.errors import DatabaseAwayError
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning, Waits
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.engine import now
from models.ledger.lane import claims, record_outcomes
from models.ledger.lane.next_work import Kind
from models.ledger.lists import recipients, uploads
from models.ledger.outcomes import recorded_ends
from models.ledger.plan import plans
from models.ledger.rows import lane_rows
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.ledger import LOST, PLENTY, Driver, said

DAY = timedelta(hours=24)


def test_window_begins_with_the_call_that_wechat_may_have_taken(engine: Engine) -> None:
    """A refusal of yesterday, when no calls were left, began nothing."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(45009))
    ledger.pass_time(engine, 2 * DAY)
    Driver(engine).call(LOST)
    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN
    ledger.pass_time(engine, timedelta(hours=22, minutes=50))
    driver = Driver(engine)
    claim = driver.claim()
    assert claim.number == 3
    driver.record(claim, said(45065, msg_id=9))
    assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED


def test_batch_that_nobody_called_for_a_day_is_not_called_again(engine: Engine) -> None:
    """WeChat has forgotten the key by then: the repeat would be a second send."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).claim()
    ledger.pass_time(engine, DAY)
    driver = Driver(engine)
    work = driver.next()
    assert work.kind is Kind.CALL
    assert claims.claim(engine, driver.lease, work) is None
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.WINDOW_CLOSED)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD


def test_acceptance_that_nobody_proved_for_a_day_is_in_doubt(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(45065, msg_id=9))
    assert sweeps.doubt_expired(engine) == 0
    ledger.pass_time(engine, DAY)
    assert sweeps.doubt_expired(engine) == 1
    assert ledger.batch(engine, broadcast_id).state is BatchState.IN_DOUBT


def test_acceptance_that_nobody_proved_for_a_day_forbids_the_repeat_of_a_later_call(
    engine: Engine,
) -> None:
    """WeChat said it of the first call while the second was made, by a driver who then died."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    slow = Driver(engine)
    first = slow.claim()
    ledger.pass_time(engine, timedelta(hours=22))
    Driver(engine).claim()
    slow.record(first, said(45065))
    assert ledger.batch(engine, broadcast_id).state is BatchState.CALLING
    ledger.pass_time(engine, timedelta(hours=2))
    driver = Driver(engine)
    assert claims.claim(engine, driver.lease, driver.next()) is None
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.WINDOW_CLOSED)


def test_verification_waits_with_its_lane(engine: Engine) -> None:
    """The lane may wait for a token, without which mass/get cannot be asked either."""
    ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(said(45065, msg_id=9))
    assert driver.next().kind is Kind.VERIFY
    with engine.begin() as connection:
        until = now(connection) + timedelta(minutes=5)
        lane_rows.wait(connection, "default", until=until, reason=Reason.WECHAT_NOT_READY)
    work = driver.next()
    assert (work.kind, work.until) == (Kind.WAIT, until)


def test_poll_does_not_move_the_end_of_a_broadcast(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(0, msg_id=9))
    ledger.pass_time(engine, timedelta(minutes=3))
    ended = broadcast_reports.report(engine, broadcast_id).finished_at
    assert ended is not None
    batch = ledger.batch(engine, broadcast_id)
    for status in ("SENDING", "SEND_SUCCESS", "SEND_SUCCESS"):
        recorded_ends.record_status(engine, batch, status, waits=DEFAULT_TUNING.waits)
        assert broadcast_reports.report(engine, broadcast_id).finished_at == ended


def test_late_refusal_by_the_review_ends_a_broadcast_anew(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    claim = driver.claim()
    driver.record(claim, said(0, msg_id=9))
    ledger.pass_time(engine, timedelta(minutes=3))
    ended = broadcast_reports.report(engine, broadcast_id).finished_at
    batch = ledger.batch(engine, broadcast_id)
    recorded_ends.record_status(engine, batch, "SEND_FAIL", waits=DEFAULT_TUNING.waits)
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.FAILED
    assert ended is not None
    assert told.finished_at is not None
    assert told.finished_at > ended
    # The recorder did not see its commit and brings the same fact again.
    record_outcomes.record(engine, claim.attempt_id, said(0, msg_id=9))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.FAILED


def half_planned(engine: Engine) -> str:
    """A broadcast whose planner died after the second of four batches."""
    broadcast_id = ledger.published(engine, ledger.body(), batches=4)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    plans.add_batches(engine, row, ledger.account(), cuts=plans.cuts_of(engine, row)[:2])
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 2}
    return broadcast_id


def test_plan_that_lacks_a_batch_is_not_opened(engine: Engine) -> None:
    """The sweep wakes a planner again, and nobody is forgotten."""
    broadcast_id = half_planned(engine)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    assert plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=PLENTY) is None
    assert broadcast_id in sweeps.due(engine).plans
    assert ledger.planned(engine, broadcast_id) is not None
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 4}


def test_batches_of_a_plan_that_is_not_whole_are_seen_by_nobody(engine: Engine) -> None:
    broadcast_id = half_planned(engine)
    assert Driver(engine).next().kind is Kind.REST
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.batches["total"], told.batch_list) == (0, [])
    assert told.recipients["waiting"] == told.audience["planned"] == 20
    waiting = recipients.portions(engine, broadcast_id, "waiting")
    assert sum(len(portion.openids) for portion in waiting) == 20 * 28


def test_pause_in_the_middle_of_planning_forgets_nobody(engine: Engine) -> None:
    broadcast_id = half_planned(engine)
    operator.pause(engine, broadcast_id, who="tests")
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.PAUSED
    assert told.recipients["waiting"] == told.audience["planned"] == 20
    # Planning calls nobody, so it goes on meanwhile.
    ledger.planned(engine, broadcast_id)
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 4}
    assert Driver(engine).next().kind is Kind.REST
    operator.resume(engine, broadcast_id, who="tests")
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.WAITING


def test_cancel_in_the_middle_of_planning_adds_up(engine: Engine) -> None:
    broadcast_id = half_planned(engine)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    assert operator.cancel(engine, broadcast_id, who="tests")
    assert not plans.add_batches(engine, row, ledger.account(), cuts=cuts)
    assert plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=PLENTY) is None
    assert ledger.states(engine, broadcast_id) == {}
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.CANCELLED
    assert told.recipients["cancelled"] == 20


def test_reply_that_comes_after_the_lane_changed_hands_is_taken(engine: Engine) -> None:
    """A definite refusal proves that nothing was sent, so the doubt of the new driver ends."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    first = Driver(engine, owner="first")
    claim = first.claim()
    ledger.pass_time(engine, timedelta(seconds=30))
    Driver(engine, owner="second")
    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN
    first.record(claim, said(45011))
    assert ledger.batch(engine, broadcast_id).state is BatchState.PLANNED


def test_claim_given_back_after_the_lane_changed_hands_leaves_no_doubt(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    claim = Driver(engine, owner="first").claim()
    ledger.pass_time(engine, timedelta(seconds=30))
    Driver(engine, owner="second")
    assert record_outcomes.give_back(engine, claim.claim)
    assert ledger.batch(engine, broadcast_id).state is BatchState.PLANNED
    assert not record_outcomes.give_back(engine, claim.claim)


def test_driver_who_died_after_a_cancel_leaves_a_batch_in_doubt(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).claim()
    operator.cancel(engine, broadcast_id, who="tests")
    ledger.pass_time(engine, timedelta(seconds=30))
    assert ("default", broadcast_id) in sweeps.due(engine).lanes
    Driver(engine)
    assert ledger.batch(engine, broadcast_id).state is BatchState.IN_DOUBT
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.recipients["in_doubt"]) == (BroadcastState.CANCELLED, 20)


def test_forgotten_upload_that_was_published_keeps_its_audience(engine: Engine) -> None:
    """A commit whose answer was lost: the producer cleans up what is in sight already."""
    broadcast_id = ledger.published(engine, ledger.body(), batches=4)
    uploads.abandon(engine, broadcast_id)
    ledger.planned(engine, broadcast_id)
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 4}


def test_claim_whose_commit_was_not_answered_is_given_back_by_the_rules_of_its_lane(
    engine: Engine,
) -> None:
    """Another window would close over a batch that is still to be repeated."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    tuning = Tuning(waits=Waits(2.0))
    Driver(engine, tuning=tuning).call(LOST)
    ledger.pass_time(engine, timedelta(hours=30))
    driver = Driver(engine, tuning=tuning)
    work = driver.next()

    @event.listens_for(engine, "commit", once=True)
    def _lose(connection: Connection) -> None:
        connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
        raise DatabaseAwayError("error.database.away", cause="the answer was lost", where="")

    with pytest.raises(DatabaseAwayError):
        claims.claim(engine, driver.lease, work, tuning=tuning)
    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN


def test_doubt_that_is_put_off_after_the_look_is_not_called_yet(engine: Engine) -> None:
    """45066 came late: WeChat is sending this very batch, and is to be left at it for a minute."""
    ledger.broadcast(engine, batches=1)
    slow = Driver(engine)
    first = slow.claim()
    ledger.pass_time(engine, lane_rows.LEASE + timedelta(seconds=1))
    driver = Driver(engine, owner="second")
    work = driver.next()
    assert (work.kind, work.state) == (Kind.CALL, BatchState.UNKNOWN)

    slow.record(first, said(45066))

    assert claims.claim(engine, driver.lease, work) is None
    assert driver.next().kind is Kind.WAIT
