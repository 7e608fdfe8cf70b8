"""What an audit finds of stops that did not stop, and of what stands still."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.call.waits import REPEAT_WINDOW
from broadcast.states import BroadcastState
from models import Lane
from models.ledger import audit, lanes, operator, submits, sweeps, uploads
from models.ledger.audit import Found
from models.ledger.transaction import write
from tests.integration.models.tampering import (
    HOUR,
    SECOND,
    WAITS,
    WHO,
    attempt,
    change,
    change_attempt,
    change_batch,
    found,
    four_batches,
    moment,
    moved_at,
    told,
)
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


# -- stops


def test_repeat_under_pause_is_found(engine: Engine, broadcast_id: str) -> None:
    operator.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, HOUR)
    operator.resume(engine, broadcast_id, who=WHO)
    assert found(engine) == set()
    at = moved_at(engine, broadcast_id, BroadcastState.PAUSED) + SECOND
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), started_at=at, ended_at=at)
    assert Found.NOT_RUNNING in found(engine)


@pytest.mark.parametrize("before", [timedelta(0), HOUR])
def test_call_before_the_plan_was_proved_is_found(engine: Engine, before: timedelta) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    ledger.pass_time(engine, HOUR)
    ledger.planned(engine, broadcast_id)
    Driver(engine).call(said(0, msg_id=1))
    assert found(engine) == set()
    at = moved_at(engine, broadcast_id, BroadcastState.PLANNING) + SECOND - before
    change_attempt(engine, attempt(engine, broadcast_id, 1), started_at=at)
    assert Found.NOT_RUNNING in found(engine)


def test_call_after_cancel_is_found(engine: Engine, broadcast_id: str) -> None:
    operator.cancel(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    at = moved_at(engine, broadcast_id, BroadcastState.CANCELLED) + SECOND
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), started_at=at, ended_at=at)
    assert {Found.CANCELLED, Found.NOT_RUNNING} <= found(engine)


@pytest.mark.parametrize("lifted", [True, False])
def test_call_under_a_halt_is_found(engine: Engine, broadcast_id: str, lifted: bool) -> None:
    operator.halt(engine, None, who=WHO)
    ledger.pass_time(engine, HOUR)
    with engine.connect() as connection:
        halted = connection.scalar(select(Lane.halted_at))
    if lifted:
        operator.unhalt(engine, None, who=WHO)
    assert found(engine) == set()
    assert halted is not None
    at = halted + SECOND
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), started_at=at, ended_at=at)
    assert Found.HALTED in found(engine)


def test_call_after_wechat_stopped_the_account_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(said(48001))
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    first = attempt(engine, broadcast_id, 1)
    at = first.ended_at + SECOND
    change_attempt(engine, first, started_at=at, ended_at=at)
    assert Found.HALTED in found(engine)


def test_repeat_after_23_hours_is_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 2)
    early = first.started_at - REPEAT_WINDOW
    change_attempt(engine, first, started_at=early + 10 * SECOND)
    assert Found.WINDOW not in found(engine)
    change_attempt(engine, first, started_at=early)
    assert Found.WINDOW in found(engine)


# -- stuck


def test_call_whose_driver_is_gone_for_long_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    ledger.pass_time(engine, lanes.LEASE + 2 * SECOND)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert Found.CALLING in found(engine)
    assert told(engine, Found.CALLING).broadcast_id == broadcast_id


def test_orphan_that_the_next_driver_did_not_adopt_is_found(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    change(engine, Lane, Lane.account == "default", fence=driver.held.fence + 1)
    assert found(engine) == {Found.CALLING}


def test_lane_that_nobody_rings_for_is_found(engine: Engine, broadcast_id: str) -> None:
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.LANE}
    operator.pause(engine, broadcast_id, who=WHO)
    assert found(engine) == set()


def test_ring_that_nobody_answers_is_no_sign_of_life(engine: Engine, broadcast_id: str) -> None:
    plan = ledger.published(engine, ledger.body(text="别的"))
    ledger.pass_time(engine, HOUR)
    rings = sweeps.due(engine)
    assert rings.plans == [plan]
    assert rings.lanes == [("default", broadcast_id)]
    assert found(engine) == {Found.LANE, Found.PLAN}


def test_plan_that_nobody_rings_for_is_found(engine: Engine) -> None:
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
    assert told(engine, Found.UPLOAD).broadcast_id == upload
    submits.abandon(engine, upload)
    assert found(engine) == set()


def test_upload_that_was_given_up_and_not_cleared_is_found(engine: Engine) -> None:
    upload = ledger.upload(engine, ledger.body())
    begun = moment(engine)
    write(engine, lambda connection: uploads.give_up(connection, upload))
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    finding = told(engine, Found.GIVEN_UP)
    assert finding.broadcast_id == upload
    assert isinstance(finding.facts["since"], datetime)
    assert abs(finding.facts["since"] + 2 * HOUR - begun) < HOUR
    assert sweeps.forget_uploads(engine) == 1
    assert found(engine) == set()


def test_many_findings_are_counted_and_not_all_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ledger.audit.findings.MOST_KEPT", 2)
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    for n in range(1, 5):
        change_batch(engine, broadcast_id, n, clientmsgid=str(n) * 25)
    done = audit.audit_all(engine, waits=WAITS)
    assert (len(done.findings), done.counts[audit.Check.KEYS]) == (2, 4)
