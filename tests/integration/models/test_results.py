"""mass/get is asked for the end of accepted batches, by one poller each, for 48 hours."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.calls.attempts import CallResult, storable_status
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.engine import now
from models.every_table import Batch
from models.ledger.audit.audit_run import audit_all
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.outcomes import recorded_ends
from models.ledger.rows.transaction import write
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.ledger import Driver, said

FIRST = timedelta(minutes=2, seconds=1)
WAITS = Waits()


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """A broadcast of two accepted batches, whose first question is due."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    assert recorded_ends.due_accounts(engine) == []
    ledger.pass_time(engine, FIRST)
    return broadcast_id


def test_batch_is_asked_for_two_minutes_after_its_acceptance(
    engine: Engine, broadcast_id: str
) -> None:
    assert recorded_ends.due_accounts(engine) == ["default"]
    assert [row.msg_id for row in recorded_ends.due_batches(engine, "default", 10)] == [1, 2]
    assert recorded_ends.due_batches(engine, "default", 10) == []
    ledger.pass_time(engine, timedelta(minutes=1, seconds=1))
    assert len(recorded_ends.due_batches(engine, "default", 1)) == 1


def test_what_a_poller_took_and_did_not_ask_about_is_due_again_at_the_scale_of_every_wait(
    engine: Engine, broadcast_id: str
) -> None:
    recorded_ends.due_batches(engine, "default", 10, waits=Waits(1 / 60))
    assert recorded_ends.due_accounts(engine) == []
    ledger.pass_time(engine, timedelta(seconds=1))
    assert recorded_ends.due_accounts(engine) == ["default"]


def test_an_older_answer_says_nothing_of_a_batch_that_ended_meanwhile(
    engine: Engine, broadcast_id: str
) -> None:
    row, _ = recorded_ends.due_batches(engine, "default", 10)
    recorded_ends.record_status(engine, row, "SEND_SUCCESS", waits=WAITS)

    for status in ("SENDING", None):
        recorded_ends.record_status(engine, row, status, waits=WAITS)
    recorded_ends.record_unanswered(
        engine, row, CallResult(outcome=Outcome.UNKNOWN, transport="read_timeout"), waits=WAITS
    )

    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.msg_status) == (BatchState.FINISHED, "SEND_SUCCESS")
    assert batch.poll_at is None
    assert audit_all(engine, waits=WAITS).findings == []


def test_pollers_share_the_work(engine: Engine, broadcast_id: str) -> None:
    together = threading.Barrier(4)

    def poll(_n: int) -> list[int | None]:
        together.wait()
        return [row.msg_id for row in recorded_ends.due_batches(engine, "default", 10)]

    with ThreadPoolExecutor(4) as threads:
        taken = [msg_id for some in threads.map(poll, range(4)) for msg_id in some]
    assert sorted(msg_id or 0 for msg_id in taken) == [1, 2]


@pytest.mark.parametrize("status", sorted(recorded_ends.ENDED))
def test_job_that_ended_is_finished_and_asked_for_no_more(
    engine: Engine, broadcast_id: str, status: str
) -> None:
    for row in recorded_ends.due_batches(engine, "default", 10):
        recorded_ends.record_status(engine, row, status, waits=WAITS)
    assert ledger.states(engine, broadcast_id) == {BatchState.FINISHED: 2}
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.COMPLETED
    assert (told.batches["finished"], told.batches["accepted"]) == (2, 2)
    ledger.pass_time(engine, timedelta(hours=50))
    assert recorded_ends.due_accounts(engine) == []


def test_job_that_failed_is_refused_and_the_broadcast_told_anew(
    engine: Engine, broadcast_id: str
) -> None:
    one, other = recorded_ends.due_batches(engine, "default", 10)
    other_job = replace(one, msg_id=one.msg_id + 100)
    assert not recorded_ends.record_status(engine, other_job, recorded_ends.FAILED, waits=WAITS)
    assert recorded_ends.record_status(engine, one, recorded_ends.FAILED, waits=WAITS)
    assert not recorded_ends.record_status(engine, one, recorded_ends.FAILED, waits=WAITS)
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.REFUSED, Reason.JOB_FAILED)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PARTIAL
    recorded_ends.record_status(engine, other, "SEND_SUCCESS", waits=WAITS)
    recorded_ends.record_status(engine, other, recorded_ends.FAILED, waits=WAITS)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.FAILED


@pytest.mark.parametrize("told", ["X" * 500, "SEND_FAIL\0", "发送成功", "SEND_SUCCESS\n"])
def test_word_that_no_column_holds_is_stored_and_is_none_of_wechats(
    engine: Engine, broadcast_id: str, told: str
) -> None:
    for row in recorded_ends.due_batches(engine, "default", 10):
        recorded_ends.record_status(engine, row, storable_status(told), waits=WAITS)
    assert ledger.states(engine, broadcast_id) == {BatchState.ACCEPTED: 2}
    assert (ledger.batch(engine, broadcast_id).msg_status or "")[:4] == storable_status(told)[:4]


@pytest.mark.parametrize("status", ["SENDING", None])
def test_job_under_way_is_asked_for_again_with_growing_pauses_for_two_days(
    engine: Engine, broadcast_id: str, status: str | None
) -> None:
    asked, elapsed = 0, FIRST
    last = ledger.batch(engine, broadcast_id)
    pauses = []
    while (row := ledger.batch(engine, broadcast_id)).poll_at is not None:
        recorded_ends.record_status(engine, row, status, waits=WAITS)
        asked += 1
        after = ledger.batch(engine, broadcast_id)
        if after.poll_at is not None and last.poll_at is not None:
            pauses.append(round((after.poll_at - last.poll_at).total_seconds() / 60))
        if asked > 30:
            break
        pause = recorded_ends.PAUSES[min(asked, len(recorded_ends.PAUSES)) - 1]
        elapsed += pause
        ledger.pass_time(engine, pause)
        last = ledger.batch(engine, broadcast_id)
    assert asked == recorded_ends.MOST_POLLS
    assert elapsed - pause <= timedelta(hours=48, seconds=1)
    assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED
    assert ledger.batch(engine, broadcast_id).msg_status == status


def test_batch_that_is_accepted_no_more_is_not_asked_for_for_ever(
    engine: Engine, broadcast_id: str
) -> None:
    [row, _] = recorded_ends.due_batches(engine, "default", 10)
    with engine.begin() as connection:
        connection.execute(
            update(Batch).where(Batch.id == row.id).values(state=BatchState.IN_DOUBT)
        )
    recorded_ends.record_status(engine, row, "SEND_SUCCESS", waits=WAITS)
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.poll_at) == (BatchState.IN_DOUBT, None)


def now_of(engine: Engine) -> datetime:
    with engine.connect() as connection:
        return now(connection)


def test_stopped_account_is_not_asked(engine: Engine, broadcast_id: str) -> None:
    stop = Closing(kind=GateKind.STOP, who="worker", reason=Reason.ACCOUNT_STOPPED, errcode=48001)
    write(engine, lambda connection: gate_changes.close(connection, "default", stop))
    assert recorded_ends.due_accounts(engine) == []
    operator.unhalt(engine, "default", who="a person")
    assert recorded_ends.due_accounts(engine) == ["default"]


def test_account_whose_mass_send_is_stopped_or_out_of_calls_is_asked(
    engine: Engine, broadcast_id: str
) -> None:
    """mass/get is another interface, with a day of its own."""
    for kind, until in ((GateKind.STOP, None), (GateKind.QUOTA, now_of(engine) + FIRST)):
        path = Closing(kind=kind, who="worker", path=SendPath.MASS_SEND, until=until)
        write(engine, functools.partial(gate_changes.close, account="default", closing=path))
    operator.halt(engine, "default", who="a person")
    assert recorded_ends.due_accounts(engine) == ["default"]


def test_acceptance_without_msg_id_is_not_asked_for(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(ledger.LOST)
    ledger.pass_time(engine, timedelta(seconds=3))
    driver.call(said(45065))
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.msg_id, batch.poll_at) == (BatchState.ACCEPTED, None, None)


def test_answer_about_a_msg_id_that_is_the_batchs_no_more_changes_nothing(
    engine: Engine, broadcast_id: str
) -> None:
    """A person named the right job while mass/get was asked about the other one."""
    [row, _] = recorded_ends.due_batches(engine, "default", 10)
    with engine.begin() as connection:
        connection.execute(update(Batch).where(Batch.id == row.id).values(msg_id=77))
    before = ledger.batch(engine, broadcast_id)
    for status in (recorded_ends.FAILED, "SEND_SUCCESS", None):
        recorded_ends.record_status(engine, row, status, waits=WAITS)
    assert ledger.batch(engine, broadcast_id) == before
