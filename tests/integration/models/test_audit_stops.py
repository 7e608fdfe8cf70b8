"""What an audit finds of calls behind closed gates, of gates, and of what stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import DEFAULT_TUNING, REPEAT_WINDOW
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import Phase, Reason
from models.batch_tables import GateRow
from models.every_table import Lane
from models.ledger.audit import audit_run, case
from models.ledger.audit.case import Found
from models.ledger.lane import leases
from models.ledger.lists import uploads
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import write
from models.ledger.steer import operator, sweeps
from tests.integration.models.stories import close, let_wait
from tests.integration.models.tampering import (
    HOUR,
    ON_SQLITE,
    SECOND,
    WAITS,
    WHO,
    add,
    attempt,
    change,
    change_attempt,
    change_batch,
    change_broadcast,
    finding,
    found,
    four_batches,
    gate,
    moment,
)
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = ON_SQLITE


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


# -- stops


def claimed_behind(engine: Engine, broadcast_id: str, closed: Any) -> None:
    """Let the last call, that of batch 3, have been claimed while a gate was closed."""
    at = closed.closed_at + SECOND / 1000
    change_attempt(
        engine,
        attempt(engine, broadcast_id, 3),
        gate_counter=closed.closed_counter,
        started_at=at,
        ended_at=at,
        outcome_recorded_at=at,
    )
    change_batch(engine, broadcast_id, 3, first_called_at=at)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (GateKind.PAUSE, Found.NOT_RUNNING),
        (GateKind.BREAKER, Found.NOT_RUNNING),
        (GateKind.HOLD, Found.NOT_RUNNING),
        (GateKind.CANCEL, Found.CANCELLED),
    ],
)
def test_call_behind_a_gate_of_its_broadcast_is_found(
    engine: Engine, broadcast_id: str, kind: GateKind, what: Found
) -> None:
    close(engine, kind, broadcast_id=broadcast_id)
    assert Found.CLOCK not in found(engine)
    claimed_behind(engine, broadcast_id, gate(engine, kind))
    one = finding(engine, what)
    assert (one.n, one.facts["number"]) == (3, 1)
    assert what in {
        one.found for one in audit_run.audit(engine, broadcast_id, waits=WAITS).findings
    }


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("kind", [GateKind.HALT, GateKind.STOP, GateKind.BREAKER])
def test_call_behind_a_gate_of_its_account_is_found(
    engine: Engine, broadcast_id: str, kind: GateKind, *, opened: bool
) -> None:
    close(engine, kind)
    if opened:
        operator.unhalt(engine, None, who=WHO)
    assert found(engine) == set()
    claimed_behind(engine, broadcast_id, gate(engine, kind))
    assert finding(engine, Found.HALTED).n == 3


def test_gate_of_one_path_forbids_its_calls_alone(engine: Engine, broadcast_id: str) -> None:
    close(engine, GateKind.STOP, path=SendPath.SENDALL)
    claimed_behind(engine, broadcast_id, gate(engine, GateKind.STOP))
    assert found(engine) == set()
    row = attempt(engine, broadcast_id, 3)
    change_attempt(engine, row, path=SendPath.SENDALL)
    assert found(engine) == {Found.HALTED}


def test_gate_of_a_time_forbids_calls_until_then(engine: Engine, broadcast_id: str) -> None:
    until = moment(engine) + HOUR
    close(engine, GateKind.QUOTA, path=SendPath.MASS_SEND, until=until)
    claimed_behind(engine, broadcast_id, gate(engine, GateKind.QUOTA))
    assert found(engine) == {Found.HALTED}
    change(engine, GateRow, GateRow.kind == GateKind.QUOTA, until=moment(engine) - HOUR)
    assert Found.HALTED not in found(engine)


def test_calls_of_the_day_after_are_not_behind_the_next_quota_gate(engine: Engine) -> None:
    """A gate that opened by itself is closed anew as another one."""
    ledger.broadcast(engine, size=40, batches=4)
    for msg_id in (1, 2):
        driver = Driver(engine, tuning=replace(DEFAULT_TUNING, shared_quota=False))
        driver.call(said(0, msg_id=msg_id))
        driver.call(said(45009))
        assert found(engine) == set()
        leases.release(engine, driver.lease)
        ledger.pass_time(engine, timedelta(days=1))
    with engine.connect() as connection:
        query = select(GateRow.opened_counter.is_(None)).order_by(GateRow.id)
        assert list(connection.scalars(query)) == [False, True]
    assert Found.HALTED not in found(engine)


def test_gate_of_a_newer_release_proves_nothing(engine: Engine, broadcast_id: str) -> None:
    close(engine, GateKind.PAUSE, broadcast_id=broadcast_id)
    claimed_behind(engine, broadcast_id, gate(engine, GateKind.PAUSE))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_gates SET kind = 'quiet_hours'")
    add(engine, GateRow, gate(engine))
    assert found(engine) == set()


def test_call_before_the_plan_was_proved_is_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, phase=Phase.PLANNING)
    assert Found.NOT_RUNNING in found(engine)


def test_repeat_after_23_hours_is_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 2)
    early = first.started_at - REPEAT_WINDOW
    change_attempt(engine, first, started_at=early + 10 * SECOND)
    assert Found.WINDOW not in found(engine)
    change_attempt(engine, first, started_at=early)
    assert Found.WINDOW in found(engine)


# -- gates


def test_gate_that_was_closed_twice_is_found(engine: Engine, broadcast_id: str) -> None:
    operator.pause(engine, broadcast_id, who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    operator.pause(engine, broadcast_id, who=WHO)
    assert found(engine) == set()
    last = gate(engine, GateKind.PAUSE)
    add(engine, GateRow, last, closed_counter=last.closed_counter)
    assert finding(engine, Found.CLOSED_TWICE).facts["gate"] == "pause"


def test_a_hold_for_two_reasons_is_two_gates(engine: Engine, broadcast_id: str) -> None:
    for reason in (Reason.MISSED_TIME, Reason.REQUEST_NOT_MADE):
        assert close(engine, GateKind.HOLD, broadcast_id=broadcast_id, reason=reason)
    assert found(engine) == set()
    add(engine, GateRow, gate(engine, GateKind.HOLD))
    assert finding(engine, Found.CLOSED_TWICE).facts["gate"] == "hold"


def test_halt_that_was_closed_twice_is_found_on_the_account(
    engine: Engine, broadcast_id: str
) -> None:
    operator.halt(engine, None, who=WHO)
    add(engine, GateRow, gate(engine, GateKind.HALT))
    one = finding(engine, Found.CLOSED_TWICE)
    assert (one.account, one.broadcast_id) == ("default", "")
    assert audit_run.audit(engine, broadcast_id, waits=WAITS).findings == []


@pytest.mark.parametrize(
    "values",
    [
        {"opened_counter": 0},
        {"opened_counter": None},
        {"closed_counter": 99},
        {"opened_counter": 99},
        {"closed_counter": 0},
    ],
)
def test_counters_that_are_out_of_order_are_found(
    engine: Engine, broadcast_id: str, values: dict[str, int | None]
) -> None:
    operator.pause(engine, broadcast_id, who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    change(engine, GateRow, GateRow.kind == GateKind.PAUSE, **values)
    assert Found.COUNTERS in found(engine)


def test_call_with_a_counter_that_the_account_never_had_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 1), gate_counter=99)
    assert found(engine) == {Found.COUNTERS}


# -- stuck


def test_call_whose_driver_is_gone_for_long_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    ledger.pass_time(engine, lane_rows.LEASE + 2 * SECOND)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert Found.CALLING in found(engine)
    assert finding(engine, Found.CALLING).broadcast_id == broadcast_id


def test_orphan_that_the_next_driver_did_not_adopt_is_found(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    change(engine, Lane, Lane.account == "default", fence=driver.lease.fence + 1)
    assert found(engine) == {Found.CALLING}


def test_lane_that_nobody_drives_is_found(engine: Engine, broadcast_id: str) -> None:
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.LANE}
    operator.pause(engine, broadcast_id, who=WHO)
    assert found(engine) == set()


@pytest.mark.parametrize("stop", [GateKind.HALT, GateKind.STOP])
def test_lane_of_an_account_that_stands_still_is_not_missed(
    engine: Engine, broadcast_id: str, stop: GateKind
) -> None:
    close(engine, stop)
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()


def test_wake_up_that_nobody_answers_is_no_sign_of_life(engine: Engine, broadcast_id: str) -> None:
    plan = ledger.published(engine, ledger.body(text="别的"))
    ledger.pass_time(engine, HOUR)
    wakes = sweeps.due(engine)
    assert wakes.plans == [plan]
    assert wakes.lanes == [("default", broadcast_id)]
    assert found(engine) == {Found.LANE, Found.PLAN}


def test_plan_that_nobody_makes_is_found(engine: Engine) -> None:
    ledger.published(engine, ledger.body())
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.PLAN}


def test_scheduled_broadcast_that_nobody_launches_is_found(engine: Engine) -> None:
    at = moment(engine) + HOUR
    ledger.published(engine, ledger.body(at=at))
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.SCHEDULE}


@pytest.mark.parametrize("late", [None, 2 * HOUR])
def test_broadcast_that_no_sweep_would_find_is_found(
    engine: Engine, broadcast_id: str, late: timedelta | None
) -> None:
    at = None if late is None else moment(engine) + late
    change_broadcast(engine, broadcast_id, due_at=at)
    assert finding(engine, Found.DUE).broadcast_id == broadcast_id
    alone = audit_run.audit(engine, broadcast_id, waits=WAITS).findings
    assert [one.found for one in alone] == [Found.DUE]
    other = ledger.broadcast(engine)
    change_broadcast(engine, broadcast_id, due_at=at)
    assert audit_run.audit(engine, other, waits=WAITS).findings == []


def test_wait_that_an_acceptance_ended_holds_nobody_up(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    let_wait(engine, HOUR)
    driver.record(claim, said(0, msg_id=1))
    assert found(engine) == set()


def test_broadcast_that_the_sweep_finds_too_early_is_no_finding(
    engine: Engine, broadcast_id: str
) -> None:
    operator.pause(engine, broadcast_id, who=WHO)
    change_broadcast(engine, broadcast_id, due_at=moment(engine))
    assert found(engine) == set()


def test_doubt_that_nobody_holds_after_23_hours_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(LOST)
    operator.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, REPEAT_WINDOW)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.DOUBT}


def test_upload_that_was_left_is_found(engine: Engine) -> None:
    upload = ledger.upload(engine, ledger.body())
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert finding(engine, Found.UPLOAD).broadcast_id == upload
    uploads.abandon(engine, upload)
    assert found(engine) == set()


def test_upload_that_was_given_up_and_not_cleared_is_found(engine: Engine) -> None:
    upload = ledger.upload(engine, ledger.body())
    begun = moment(engine)
    write(engine, lambda connection: uploads.give_up(connection, upload))
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    one = finding(engine, Found.GIVEN_UP)
    assert one.broadcast_id == upload
    assert isinstance(one.facts["since"], datetime)
    assert abs(one.facts["since"] + 2 * HOUR - begun) < HOUR
    assert sweeps.forget_uploads(engine) == 1
    assert found(engine) == set()


def test_many_findings_are_counted_and_not_all_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ledger.audit.audit_run.MOST_KEPT", 2)
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    for n in range(1, 5):
        change_batch(engine, broadcast_id, n, clientmsgid=str(n) * 25)
    done = audit_run.audit_all(engine, waits=WAITS)
    assert (len(done.findings), done.counts[case.Check.KEYS]) == (2, 4)
