"""What a reply does to more than its batch, and what a cancel does to a batch in flight."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.decide import Verdict
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind, GateScope
from broadcast.rules.states import BATCH_MOVES, BatchState, BroadcastState, Phase, Reason
from models.batch_tables import AttemptRow
from models.engine import now
from models.every_table import BroadcastRow, Event
from models.ledger.lane import call_history, transitions
from models.ledger.lane.next_work import Kind
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.still_clock import StillClock
from tests.integration.models.stories import lane, standing_gates, the_gate
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

# -- what a reply does to others


@pytest.mark.parametrize("errcode", [40007, 45002, 45028])
def test_refusal_of_the_content_pauses_the_broadcast_alone(
    driver: Driver, broadcast_id: str, errcode: int
) -> None:
    other = ledger.broadcast(driver.engine)
    driver.call(said(errcode))
    assert broadcast_reports.report(driver.engine, broadcast_id).state is BroadcastState.PAUSED
    gate = the_gate(driver.engine, GateKind.BREAKER, broadcast_id)
    assert (gate.errcode, gate.errmsg) == (errcode, "words of WeChat")
    assert gate.count is None, "it was no repetition"
    assert standing_gates(driver.engine, other) == []
    assert driver.next().broadcast_id == other


@pytest.mark.parametrize("errcode", [48001, 40164, 50002])
def test_refusal_of_the_account_stops_its_lane_and_keeps_the_batch(
    driver: Driver, broadcast_id: str, errcode: int
) -> None:
    driver.call(said(errcode))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.PLANNED
    assert driver.next().kind is Kind.REST
    told = broadcast_reports.report(driver.engine, broadcast_id)
    assert told.state is BroadcastState.HELD
    assert [(gate.kind, gate.errcode) for gate in told.lane.gates] == [(GateKind.STOP, errcode)]
    operator.unhalt(driver.engine, "default", who="a person")
    assert driver.next().kind is Kind.CALL


@pytest.mark.parametrize(
    ("errcode", "reason"),
    [
        (45011, Reason.THROTTLED),
        (42010, Reason.THROTTLED),
        (45009, Reason.QUOTA_TODAY),
        (45061, Reason.WECHAT_NOT_READY),
    ],
)
def test_wait_concerns_all_broadcasts_of_the_lane(
    driver: Driver, errcode: int, reason: Reason
) -> None:
    ledger.broadcast(driver.engine)
    driver.call(said(errcode))
    assert lane(driver.engine).wait_reason is reason
    assert standing_gates(driver.engine) == []
    assert driver.next().kind is Kind.WAIT


def test_used_up_calls_close_the_gate_of_their_interface_where_each_has_its_own(
    engine: Engine,
) -> None:
    ids = [ledger.broadcast(engine) for _ in range(2)]
    driver = Driver(engine, tuning=Tuning(shared_quota=False))
    driver.call(said(45009))
    gate = the_gate(engine, GateKind.QUOTA)
    assert (gate.scope, gate.path) == (GateScope.PATH, SendPath.MASS_SEND)
    assert (gate.reason, gate.errcode) == (Reason.QUOTA_TODAY, 45009)
    assert gate.until == ledger.batch(engine, ids[0]).not_before
    assert lane(engine).not_before is None
    assert driver.next().kind is Kind.REST
    for one in ids:
        told = broadcast_reports.report(engine, one)
        assert [blocker.cause for blocker in blockers.blockers_of(told)] == [Cause.ACCOUNT_WAITS]


def test_first_token_error_goes_again_at_once_and_the_second_stops_the_account(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(42001))
    assert driver.next().kind is Kind.CALL
    driver.call(said(40001))
    assert the_gate(driver.engine, GateKind.STOP).reason is Reason.TOKEN_REFUSED
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.PLANNED


# -- cancel


def test_cancel_with_an_unknown_batch_ends_it_in_doubt(driver: Driver, broadcast_id: str) -> None:
    driver.call(LOST)
    operator.cancel(driver.engine, broadcast_id, who="a person")
    one, other = ledger.batches(driver.engine, broadcast_id)
    assert (one.state, one.reason) == (BatchState.IN_DOUBT, Reason.STOPPED_WHILE_UNKNOWN)
    assert other.state is BatchState.CANCELLED
    told = broadcast_reports.report(driver.engine, broadcast_id)
    assert (told.state, told.phase) == (BroadcastState.CANCELLED, Phase.ENDED)
    assert told.recipients["in_doubt"] == told.recipients["cancelled"] == 10


@pytest.mark.parametrize(
    ("fact", "state", "result"),
    [
        (said(0, msg_id=7), BatchState.ACCEPTED, BroadcastState.PARTIAL),
        (LOST, BatchState.IN_DOUBT, BroadcastState.HELD),
        (said(45009), BatchState.CANCELLED, BroadcastState.CANCELLED),
        (said(45065, msg_id=7), BatchState.IN_DOUBT, BroadcastState.HELD),
        (said(40130), BatchState.REFUSED, BroadcastState.FAILED),
        (CallResult(outcome=Outcome.NOT_CALLED), BatchState.CANCELLED, BroadcastState.CANCELLED),
    ],
)
def test_batch_in_flight_at_the_cancel_ends_by_its_reply(
    driver: Driver, broadcast_id: str, fact: CallResult, state: BatchState, result: BroadcastState
) -> None:
    claim = driver.claim()
    operator.cancel(driver.engine, broadcast_id, who="a person")
    assert broadcast_reports.report(driver.engine, broadcast_id).phase is Phase.SENDING

    driver.record(claim, fact)

    one, other = ledger.batches(driver.engine, broadcast_id)
    assert (one.state, other.state) == (state, BatchState.CANCELLED)
    report = broadcast_reports.report(driver.engine, broadcast_id)
    assert (report.state, report.phase) == (BroadcastState.CANCELLED, Phase.ENDED)
    assert sum(ledger.counted(report).values()) == 20
    with driver.engine.connect() as connection:
        assert connection.scalar(select(BroadcastRow.result)) is result


def test_fact_whose_move_is_illegal_is_kept_and_its_batch_left_to_a_person(
    driver: Driver,
    broadcast_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A hole in the table of moves is a mistake of ours, and no reason to lose an acceptance."""
    hole = {**BATCH_MOVES, BatchState.CALLING: frozenset({BatchState.IN_DOUBT})}
    claim = driver.claim()
    with monkeypatch.context() as patch:
        patch.setattr(transitions, "BATCH_MOVES", hole)
        assert driver.record(claim, said(0, msg_id=71)).verdict is Verdict.DOUBT

    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.ILLEGAL_MOVE)
    with driver.engine.connect() as connection:
        attempt = connection.execute(select(AttemptRow.__table__)).one()
        [told] = connection.scalars(
            select(Event.detail).where(Event.kind == EventKind.ILLEGAL_MOVE)
        ).all()
    assert (attempt.outcome, attempt.msg_id) == (Outcome.ACCEPTED, 71)
    assert "calling -> accepted" in told
    assert [one.levelname for one in caplog.records if "its batch is in doubt" in one.message] == [
        "ERROR"
    ]
    assert call_history.named_msg_ids(driver.engine, broadcast_id) == {1: [71]}
    assert driver.next().n == 2


def test_what_waited_behind_a_batch_goes_on_when_an_illegal_move_leaves_that_one_to_a_person(
    still: tuple[Engine, StillClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its clock stands: what the batch waited for is not over before the late reply.
    engine, _ = still
    ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    driver.record(claim, LOST)
    assert driver.next().kind is Kind.WAIT
    hole = {**BATCH_MOVES, BatchState.UNKNOWN: frozenset({BatchState.IN_DOUBT})}

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "BATCH_MOVES", hole)
        driver.record(claim, said(0, msg_id=71))

    with read(engine) as connection:
        [due_now] = lane_rows.due_of_account(connection, "default", now(connection))
    assert due_now.stored == due_now.wanted == lane_rows.DUE_AT_ONCE
    assert driver.next().n == 2


def test_a_doubt_is_waited_for_beside_a_broadcast_that_is_still_to_be_planned(
    driver: Driver, broadcast_id: str
) -> None:
    driver.record(driver.claim(), LOST)
    planning = ledger.published(driver.engine, ledger.body())

    with read(driver.engine) as connection:
        moment = now(connection)
        found = {
            one.id: one.wanted for one in lane_rows.due_of_account(connection, "default", moment)
        }

    assert found.keys() == {broadcast_id, planning}
    due = found[broadcast_id]
    assert due is not None
    assert due > moment
