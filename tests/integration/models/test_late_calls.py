"""A first call that would come too late is held, and what only waited its turn is not late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.lateness import is_late
from broadcast.rules.plan.submission import Body
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import blocker_lines
from models.ledger.lane import claims, obstacles, record_outcomes
from models.ledger.lane.next_work import Kind, Work
from models.ledger.steer import operator, sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import close, kinds, let_wait, standing_gates, the_gate
from tests.kit import ledger
from tests.kit.ledger import LOST, PLENTY, Driver, said

LATE_BY = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
NOT_CALLED = CallResult(outcome=Outcome.NOT_CALLED)
UNREACHABLE = CallResult(outcome=Outcome.WAIT, transport="refused")
WHO = "a person"


def published(engine: Engine, said_so: Body | None = None) -> str:
    """Publish a broadcast that is late after a quarter of an hour."""
    body = said_so or ledger.body()
    broadcast_id = ledger.upload(engine, body)
    submits.publish(
        engine,
        broadcast_id,
        body,
        figures=ledger.figures(size=20, batches=2),
        terms=replace(ledger.terms(), late_by=LATE_BY),
        quota=PLENTY,
    )
    return broadcast_id


def planned(engine: Engine) -> str:
    """Publish and plan one."""
    broadcast_id = published(engine)
    ledger.planned(engine, broadcast_id)
    return broadcast_id


def tried(engine: Engine, tuning: Tuning | None = None) -> bool:
    """Let a driver come and try the next call; return whether it was let through."""
    driver = Driver(engine, tuning=tuning or Tuning())
    work: Work = driver.next()
    assert work.kind is Kind.CALL, work
    claim = claims.claim(engine, driver.lease, work, tuning=driver.tuning)
    if claim is not None:
        driver.record(claim, said(0, msg_id=work.batch_id))
    return claim is not None


def is_held(engine: Engine, broadcast_id: str) -> bool:
    holds = [one for one in standing_gates(engine, broadcast_id) if one.kind is GateKind.HOLD]
    assert all(one.reason is Reason.MISSED_TIME for one in holds)
    return bool(holds)


@pytest.mark.parametrize(
    ("waited", "called"), [(LATE_BY - MINUTE, True), (LATE_BY + MINUTE, False)]
)
def test_first_call_is_made_in_time_or_held(
    engine: Engine, waited: timedelta, called: bool
) -> None:
    """Nobody drove the lane meanwhile; it has no time of its own, and is due at once."""
    broadcast_id = planned(engine)
    ledger.pass_time(engine, waited)

    assert tried(engine) == called

    assert is_held(engine, broadcast_id) != called
    state = broadcast_reports.report(engine, broadcast_id).state
    assert state is (BroadcastState.SENDING if called else BroadcastState.HELD)


def test_missed_call_costs_no_attempt_and_the_next_broadcast_goes_on(engine: Engine) -> None:
    missed = planned(engine)
    ledger.pass_time(engine, LATE_BY + MINUTE)
    other = planned(engine)

    assert not tried(engine)

    assert ledger.batch(engine, missed).attempts == 0
    ledger.pass_time(engine, MINUTE)
    assert Driver(engine).next().broadcast_id == other
    assert sweeps.due(engine).lanes == []  # its lane is driven
    ledger.pass_time(engine, MINUTE)
    assert sweeps.due(engine).lanes == [("default", other)]


def test_a_newer_broadcast_that_goes_first_hides_no_missed_time(engine: Engine) -> None:
    missed = published(engine)
    ledger.pass_time(engine, HOUR)
    planned(engine)

    assert tried(engine)
    ledger.planned(engine, missed)
    ledger.pass_time(engine, timedelta(seconds=8))

    assert not tried(engine)

    assert is_held(engine, missed)


def test_scheduled_broadcast_is_held_when_its_time_was_missed_and_a_resume_lets_it_go(
    engine: Engine,
) -> None:
    at = datetime.now(UTC) + HOUR
    broadcast_id = published(engine, ledger.body(at=at))
    ledger.pass_time(engine, HOUR + 6 * HOUR)
    assert sweeps.launch_due(engine) == [broadcast_id]
    ledger.planned(engine, broadcast_id)

    # The gate of its time opened at its time, not when somebody noted it.
    assert not tried(engine)

    assert is_held(engine, broadcast_id)
    assert operator.resume(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, MINUTE)
    assert tried(engine)


def test_resumed_broadcast_is_held_again_if_it_is_late_again(engine: Engine) -> None:
    broadcast_id = planned(engine)
    ledger.pass_time(engine, LATE_BY + MINUTE)
    assert not tried(engine)
    assert operator.resume(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, LATE_BY + MINUTE)

    assert not tried(engine)

    assert is_held(engine, broadcast_id)


def test_scheduled_broadcast_in_time_is_not_late_for_its_age(engine: Engine) -> None:
    at = datetime.now(UTC) + 24 * HOUR
    broadcast_id = published(engine, ledger.body(at=at))
    ledger.pass_time(engine, 24 * HOUR + MINUTE)
    assert sweeps.launch_due(engine) == [broadcast_id]
    ledger.planned(engine, broadcast_id)

    assert tried(engine)


def test_only_the_first_call_can_be_late(engine: Engine) -> None:
    planned(engine)
    assert tried(engine)
    ledger.pass_time(engine, 6 * HOUR)

    assert tried(engine)


@pytest.mark.every_database
@pytest.mark.parametrize("came", ["given back", "killed", "unreachable", "not ready"])
def test_a_claim_that_sent_nothing_is_no_first_call(engine: Engine, came: str) -> None:
    """The lid was shut, the worker killed, WeChat away: what was due at eight comes at two."""
    broadcast_id = planned(engine)
    _sends_nothing(engine, came)
    ledger.pass_time(engine, 6 * HOUR)

    assert blocker_lines.will_be_held(broadcast_reports.report(engine, broadcast_id)), (
        "status tells it before"
    )
    assert not tried(engine)

    assert is_held(engine, broadcast_id)
    assert broadcast_reports.report(engine, broadcast_id).started_at is not None, "it was claimed"


def _sends_nothing(engine: Engine, came: str) -> None:
    driver = Driver(engine)
    claim = driver.claim()
    match came:
        case "given back":
            driver.record(claim, NOT_CALLED)
        case "unreachable":
            driver.record(claim, UNREACHABLE)
        case "not ready":
            driver.record(claim, said(45061))


@pytest.mark.every_database
@pytest.mark.parametrize("fact", [NOT_CALLED, UNREACHABLE])
def test_claims_that_send_nothing_drive_no_lane(engine: Engine, fact: CallResult) -> None:
    """They come again and again, and the one that ends hours later says so itself."""
    first, behind = planned(engine), planned(engine)
    claim = Driver(engine).claim()
    ledger.pass_time(engine, LATE_BY - 2 * MINUTE)
    record_outcomes.record(engine, claim.attempt_id, fact)
    ledger.pass_time(engine, MINUTE)
    Driver(engine).call(fact)
    ledger.pass_time(engine, 2 * MINUTE)

    assert not tried(engine)
    assert is_held(engine, first)
    ledger.pass_time(engine, 8 * SECOND)
    assert not tried(engine), "no worker sent anything before the one behind it either"
    assert is_held(engine, behind)


def test_what_was_lost_of_the_others_time_is_counted_once(engine: Engine) -> None:
    first, behind = ledger.broadcast(engine, batches=4), planned(engine)
    Driver(engine).call(said(0, msg_id=1))
    ledger.pass_time(engine, 5 * MINUTE)
    for _ in range(2):
        Driver(engine).call(NOT_CALLED)
        ledger.pass_time(engine, 10 * SECOND)
    Driver(engine).call(said(0, msg_id=2))
    operator.cancel(engine, first, who=WHO)
    ledger.pass_time(engine, 8 * MINUTE)

    assert tried(engine)
    assert not is_held(engine, behind)


def test_repeat_of_a_killed_workers_claim_is_held_too_and_a_resume_repeats_it_first(
    engine: Engine,
) -> None:
    broadcast_id = planned(engine)
    Driver(engine).claim()
    ledger.pass_time(engine, LATE_BY + MINUTE)

    assert not tried(engine)

    assert is_held(engine, broadcast_id)
    assert ledger.states(engine, broadcast_id) == {BatchState.UNKNOWN: 1, BatchState.PLANNED: 1}
    assert operator.resume(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, MINUTE)
    driver = Driver(engine)
    assert (driver.next().n, driver.next().state) == (1, BatchState.UNKNOWN)
    driver.call(said(0, msg_id=1))
    assert (driver.next().n, driver.next().kind) == (2, Kind.CALL)


@pytest.mark.parametrize("fact", [LOST, said(45011), said(40001), said(45009)])
def test_a_call_that_left_is_a_first_call(engine: Engine, fact: CallResult) -> None:
    broadcast_id = planned(engine)
    Driver(engine).call(fact)
    operator.unhalt(engine, None, who=WHO)
    ledger.pass_time(engine, 25 * HOUR)

    tried(engine)

    assert not is_held(engine, broadcast_id)


def test_a_broadcast_held_as_late_lets_the_others_pass_its_doubt(engine: Engine) -> None:
    missed = planned(engine)
    Driver(engine).claim()
    ledger.pass_time(engine, LATE_BY + MINUTE)
    other = planned(engine)
    assert not tried(engine)
    ledger.pass_time(engine, MINUTE)

    assert tried(engine)
    assert is_held(engine, missed)
    assert not is_held(engine, other)


@pytest.mark.parametrize("fact", [said(0, msg_id=1), LOST])
def test_waiting_in_the_lanes_own_queue_is_not_late(engine: Engine, fact: CallResult) -> None:
    """The one before it took the lane until a moment ago."""
    first = ledger.broadcast(engine, batches=1)
    second = planned(engine)
    driver = Driver(engine)
    claim = driver.claim()
    ledger.pass_time(engine, 6 * HOUR)
    driver.record(claim, fact)
    operator.cancel(engine, first, who=WHO)
    ledger.pass_time(engine, MINUTE)

    assert tried(engine)
    assert not is_held(engine, second)


def test_lane_that_nobody_drove_after_its_last_call_makes_the_next_late(engine: Engine) -> None:
    ledger.broadcast(engine, batches=1)
    second = planned(engine)
    Driver(engine).call(said(0, msg_id=1))
    ledger.pass_time(engine, LATE_BY + MINUTE)

    assert not tried(engine)

    assert is_held(engine, second)


@pytest.mark.parametrize("shared", [True, False])
def test_waiting_for_another_day_is_not_late(engine: Engine, shared: bool) -> None:
    """Whether the lane waits or the gate of its interface is closed meanwhile."""
    tuning = Tuning(shared_quota=shared)
    first = ledger.broadcast(engine, batches=1)
    waiting = planned(engine)
    Driver(engine, tuning=tuning).call(said(45009))
    if not shared:
        assert the_gate(engine, GateKind.QUOTA).path is SendPath.MASS_SEND
    until = ledger.batch(engine, first).not_before
    operator.cancel(engine, first, who=WHO)
    ledger.pass_time(engine, until - datetime.now(UTC) + MINUTE)

    assert tried(engine, tuning)

    assert not is_held(engine, waiting)


def test_waiting_for_another_day_does_not_excuse_what_comes_after_it(engine: Engine) -> None:
    first = ledger.broadcast(engine, batches=1)
    waiting = planned(engine)
    Driver(engine).call(said(45009))
    until = ledger.batch(engine, first).not_before
    operator.cancel(engine, first, who=WHO)
    ledger.pass_time(engine, until - datetime.now(UTC) + LATE_BY + MINUTE)

    assert not tried(engine)

    assert is_held(engine, waiting)


@pytest.mark.parametrize("shared", [True, False])
def test_a_wait_for_another_day_that_an_operator_ended_excuses_nothing_after_it(
    engine: Engine, shared: bool
) -> None:
    tuning = Tuning(shared_quota=shared)
    first = ledger.broadcast(engine, batches=1)
    waiting = planned(engine)
    Driver(engine, tuning=tuning).call(said(45009))
    operator.cancel(engine, first, who=WHO)
    assert operator.unhalt(engine, None, who=WHO)
    ledger.pass_time(engine, LATE_BY + MINUTE)

    assert not tried(engine, tuning)

    assert is_held(engine, waiting)


def test_a_hiccup_after_midnight_does_not_hide_that_another_day_was_waited_for(
    engine: Engine,
) -> None:
    first = ledger.broadcast(engine, batches=1)
    waiting = planned(engine)
    Driver(engine).call(said(45009))
    until = ledger.batch(engine, first).not_before
    operator.cancel(engine, first, who=WHO)
    ledger.pass_time(engine, until - datetime.now(UTC) + timedelta(seconds=8))
    obstacles.wait_for_redis(engine, ledger.account())
    ledger.pass_time(engine, timedelta(seconds=5))

    assert tried(engine)
    assert not is_held(engine, waiting)


@pytest.mark.parametrize("word", [operator.cancel, operator.pause])
def test_waiting_behind_a_doubt_is_not_late_when_a_person_ends_that_wait(
    engine: Engine, word: Callable[..., bool]
) -> None:
    """Repeats come with growing pauses: nobody was heard of the lane for half an hour."""
    first, second = ledger.broadcast(engine, batches=1), planned(engine)
    Driver(engine).call(LOST)
    for _ in range(6):
        _repeat_comes(engine, first)
        Driver(engine).call(LOST)
    waits = ledger.batch(engine, first).not_before - datetime.now(UTC)
    assert waits > LATE_BY + 2 * MINUTE
    ledger.pass_time(engine, waits - MINUTE)
    word(engine, first, who=WHO)
    ledger.pass_time(engine, timedelta(seconds=5))

    assert tried(engine)
    assert not is_held(engine, second)


def _repeat_comes(engine: Engine, broadcast_id: str) -> None:
    waits = ledger.batch(engine, broadcast_id).not_before - datetime.now(UTC)
    ledger.pass_time(engine, waits + timedelta(seconds=8))


def test_a_doubt_that_nobody_repeated_is_no_excuse(engine: Engine) -> None:
    first, second = ledger.broadcast(engine, batches=1), planned(engine)
    Driver(engine).call(LOST)
    ledger.pass_time(engine, 6 * HOUR)
    operator.cancel(engine, first, who=WHO)

    assert not tried(engine)
    assert is_held(engine, second)


def test_hours_without_a_worker_are_not_hidden_by_the_calls_that_follow_them(
    engine: Engine,
) -> None:
    first, second = ledger.broadcast(engine, batches=3), planned(engine)
    Driver(engine).call(said(0, msg_id=11))
    ledger.pass_time(engine, 6 * HOUR)
    Driver(engine).call(said(0, msg_id=12))
    ledger.pass_time(engine, timedelta(seconds=8))
    Driver(engine).call(said(0, msg_id=13))
    ledger.pass_time(engine, timedelta(seconds=8))
    assert broadcast_reports.report(engine, first).state is BroadcastState.COMPLETED

    assert blocker_lines.will_be_held(broadcast_reports.report(engine, second)), (
        "status tells it before"
    )

    assert not tried(engine)

    assert is_held(engine, second)
    operator.resume(engine, second, who=WHO)
    ledger.pass_time(engine, timedelta(seconds=8))
    assert tried(engine), "what was lost before the resume counts no more"


def test_a_pause_between_two_calls_is_no_silence(engine: Engine) -> None:
    ledger.broadcast(engine, size=32, batches=16)
    second = planned(engine)
    for n in range(16):
        Driver(engine).call(said(0, msg_id=n + 1))
        ledger.pass_time(engine, timedelta(seconds=90))

    assert tried(engine)
    assert not is_held(engine, second)


def test_waiting_for_what_is_no_other_day_is_late(engine: Engine) -> None:
    waiting = planned(engine)
    let_wait(engine, HOUR, reason=Reason.WECHAT_NOT_READY)
    ledger.pass_time(engine, HOUR + MINUTE)

    assert not tried(engine)

    assert is_held(engine, waiting)


@pytest.mark.parametrize("gate", ["halt", "stop", "pause"])
def test_a_gate_that_a_person_opens_begins_the_count_anew(engine: Engine, gate: str) -> None:
    broadcast_id = planned(engine)
    match gate:
        case "halt":
            operator.halt(engine, "default", who=WHO)
        case "stop":
            close(engine, GateKind.STOP, reason=Reason.ACCOUNT_STOPPED)
        case "pause":
            operator.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, 6 * HOUR)
    if gate == "pause":
        operator.resume(engine, broadcast_id, who=WHO)
    else:
        assert operator.unhalt(engine, "default", who=WHO) == ["default"]
    ledger.pass_time(engine, LATE_BY - MINUTE)

    shown = broadcast_reports.report(engine, broadcast_id)
    assert shown.first_call is not None
    assert not is_late(shown.first_call, shown.now)
    assert tried(engine)

    assert not kinds(engine, broadcast_id)


def test_a_gate_of_another_broadcast_begins_nothing_anew(engine: Engine) -> None:
    waiting = planned(engine)
    other = ledger.broadcast(engine)
    operator.pause(engine, other, who=WHO)
    ledger.pass_time(engine, LATE_BY + MINUTE)
    operator.resume(engine, other, who=WHO)

    assert not tried(engine)

    assert is_held(engine, waiting)
