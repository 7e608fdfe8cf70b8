"""A human's word is carried out in one transaction; after it no new call starts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.errors import InputError, UnknownIdError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind
from broadcast.rules.states import BroadcastState, Reason
from models.batch_tables import AttemptRow
from models.ledger.lane import claims
from models.ledger.lane.next_work import Kind
from models.ledger.plan import plans
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import the_gate
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

WHO = "王小明"


def state(engine: Engine, broadcast_id: str) -> BroadcastState:
    return broadcast_reports.report(engine, broadcast_id).state


@pytest.mark.parametrize("word", ["pause", "resume", "cancel"])
def test_unknown_id_is_told(engine: Engine, word: str) -> None:
    with pytest.raises(UnknownIdError):
        getattr(operator, word)(engine, "20260101-nobody", who=WHO)


def test_pause_and_resume_say_whether_they_changed_anything(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    assert not operator.resume(engine, broadcast_id, who=WHO)
    assert operator.pause(engine, broadcast_id, who=WHO)
    assert not operator.pause(engine, broadcast_id, who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.PAUSED
    assert the_gate(engine, GateKind.PAUSE, broadcast_id).reason is Reason.BY_HAND
    assert operator.resume(engine, broadcast_id, who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.WAITING


def test_broadcast_that_was_called_goes_on_where_it_stood(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    operator.pause(engine, broadcast_id, who=WHO)
    assert driver.next().kind is Kind.REST
    operator.resume(engine, broadcast_id, who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.SENDING
    driver.call(said(0, msg_id=2))
    assert state(engine, broadcast_id) is BroadcastState.COMPLETED


def test_call_in_flight_at_the_pause_is_recorded(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    operator.pause(engine, broadcast_id, who=WHO)
    driver.record(claim, said(0, msg_id=1))
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.recipients["accepted"]) == (BroadcastState.PAUSED, 10)


def test_scheduled_broadcast_keeps_its_time_over_a_pause(engine: Engine) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    broadcast_id = ledger.published(engine, ledger.body(at=at))
    operator.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, timedelta(hours=1))
    assert sweeps.launch_due(engine) == []
    operator.resume(engine, broadcast_id, who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.SCHEDULED
    assert plans.to_plan(engine, broadcast_id) is None


def test_time_that_came_under_a_pause_lets_it_be_planned_and_not_called(engine: Engine) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    broadcast_id = ledger.published(engine, ledger.body(at=at))
    operator.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, timedelta(hours=2, seconds=1))

    assert sweeps.launch_due(engine) == [broadcast_id]
    ledger.planned(engine, broadcast_id)

    assert state(engine, broadcast_id) is BroadcastState.PAUSED
    driver = Driver(engine)
    assert driver.next().kind is Kind.REST
    operator.resume(engine, broadcast_id, who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.WAITING
    assert driver.next().kind is Kind.CALL


@pytest.mark.parametrize("facts", [(said(0, msg_id=1), said(0, msg_id=2)), (said(40130),) * 2])
def test_ended_broadcast_is_not_resumed_and_its_cancel_says_so(
    engine: Engine, facts: tuple[CallResult, ...]
) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    for fact in facts:
        driver.call(fact)
    before = state(engine, broadcast_id)
    with pytest.raises(InputError) as caught:
        operator.resume(engine, broadcast_id, who=WHO)
    assert caught.value.message_id == "error.broadcast.ended"
    assert not operator.cancel(engine, broadcast_id, who=WHO)
    assert not operator.pause(engine, broadcast_id, who=WHO)
    assert state(engine, broadcast_id) is before


def test_broadcast_held_for_a_doubt_alone_needs_a_human_not_a_resume(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(45065))
    with pytest.raises(InputError) as caught:
        operator.resume(engine, broadcast_id, who=WHO)
    assert caught.value.message_id == "error.broadcast.in_doubt"
    assert operator.cancel(engine, broadcast_id, who=WHO)
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.CANCELLED
    assert told.recipients["in_doubt"] == told.audience["planned"], "no doubt is cancelled away"
    assert Cause.IN_DOUBT in {blocker.cause for blocker in blockers.blockers_of(told)}


def test_cancel_before_any_call_cancels_everybody(engine: Engine) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    uncut = ledger.published(engine, ledger.body())
    later = ledger.published(engine, ledger.body(at=at))
    cut = ledger.broadcast(engine)
    paused = ledger.broadcast(engine)
    operator.pause(engine, paused, who=WHO)
    for broadcast_id in (uncut, later, cut, paused):
        assert operator.cancel(engine, broadcast_id, who=WHO)
        assert not operator.cancel(engine, broadcast_id, who=WHO)
        told = broadcast_reports.report(engine, broadcast_id)
        assert told.state is BroadcastState.CANCELLED
        assert told.recipients["cancelled"] == sum(ledger.counted(told).values()) == 20
    assert plans.to_plan(engine, uncut) is None


def test_cancel_in_the_middle_names_the_exact_sets(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40130))
    driver.call(LOST)
    operator.cancel(engine, broadcast_id, who=WHO)
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.recipients == {
        "accepted": 10,
        "refused": 10,
        "cancelled": 10,
        "in_doubt": 10,
        "waiting": 0,
    }
    assert told.state is BroadcastState.CANCELLED


def test_halt_and_unhalt_name_the_accounts_they_moved(engine: Engine) -> None:
    for name in ("north", "south"):
        ledger.broadcast(engine, owner=ledger.account(name))
    assert operator.halt(engine, "north", who=WHO) == ["north"]
    assert operator.halt(engine, None, who=WHO) == ["south"]
    assert operator.halt(engine, None, who=WHO) == []
    halts = [told.lane.gates for told in broadcast_reports.reports(engine)]
    assert [[(gate.kind, gate.closed_by) for gate in gates] for gates in halts] == [
        [(GateKind.HALT, WHO)]
    ] * 2
    assert operator.unhalt(engine, None, who=WHO) == ["north", "south"]
    assert operator.unhalt(engine, None, who=WHO) == []


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("batches", [1, 2])
def test_an_unhalt_ends_the_wait_for_the_calls_of_another_day(
    engine: Engine, batches: int, *, shared: bool
) -> None:
    """WeChat raised or cleared the quota, which nobody but a person can know."""
    broadcast_id = ledger.broadcast(engine, batches=batches)
    driver = Driver(engine, tuning=Tuning(shared_quota=shared))
    driver.call(said(45009))
    assert driver.next().kind in {Kind.WAIT, Kind.REST}
    report = broadcast_reports.report(engine, broadcast_id)
    assert [one.cause for one in blockers.blockers_of(report)] == [Cause.ACCOUNT_WAITS]

    assert operator.unhalt(engine, "default", who=WHO) == ["default"]

    assert list(blockers.blockers_of(broadcast_reports.report(engine, broadcast_id))) == []
    for msg_id in range(1, batches + 1):
        driver.call(said(0, msg_id=msg_id))
    assert state(engine, broadcast_id) is BroadcastState.COMPLETED
    assert operator.unhalt(engine, "default", who=WHO) == []


def test_an_unhalt_that_came_too_early_waits_for_another_day_again(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(45009))
    operator.unhalt(engine, "default", who=WHO)

    driver.call(said(45009))

    assert driver.next().kind is Kind.WAIT
    assert [
        b.cause for b in blockers.blockers_of(broadcast_reports.report(engine, broadcast_id))
    ] == [Cause.ACCOUNT_WAITS]


def test_halted_account_is_shown_as_held(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    operator.halt(engine, "default", who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.HELD
    operator.unhalt(engine, "default", who=WHO)
    assert state(engine, broadcast_id) is BroadcastState.WAITING


def test_no_claim_is_committed_after_a_pause_was(engine: Engine) -> None:
    """Drivers race with the pause: what was claimed was claimed before it."""
    broadcast_id = ledger.broadcast(engine, size=80, batches=40)
    driver = Driver(engine)
    begun = threading.Event()

    def drive() -> None:
        while (work := driver.next()).kind is Kind.CALL:
            claim = claims.claim(engine, driver.lease, work)
            begun.set()
            if claim is not None:
                driver.record(claim, said(0, msg_id=work.batch_id))

    def stop() -> int:
        begun.wait(60)
        operator.pause(engine, broadcast_id, who=WHO)
        with engine.connect() as connection:
            return len(connection.execute(select(AttemptRow.id)).all())

    with ThreadPoolExecutor(2) as threads:
        driving, at_the_pause = threads.submit(drive), threads.submit(stop)
        driving.result()
    with engine.connect() as connection:
        assert len(connection.execute(select(AttemptRow.id)).all()) == at_the_pause.result()
    assert state(engine, broadcast_id) in {BroadcastState.PAUSED, BroadcastState.COMPLETED}
