"""`broadcast-batch`: Celery's event of one call, for Flower and everybody else who listens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from broadcast import names
from broadcast.rules.calls.outcomes import Outcome
from models.batch_tables import AttemptRow, Batch
from tests.acceptance.conftest import sets_of
from tests.kit import foreign
from tests.kit.endpoints import MASS_SEND
from tests.kit.listeners import EventListener
from tests.kit.wait import until
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

#: What Celery itself puts into every event.
CELERYS = {
    "type",
    "uuid",
    "hostname",
    "timestamp",
    "local_received",
    "clock",
    "utcoffset",
    "pid",
}
OURS = ("account", "broadcast", "batch", "attempt", "outcome", "errcode", "ms")


@pytest.fixture
def broker() -> Iterator[Valkey]:
    """A broker that holds nothing else: token and pace live in another Valkey."""
    with Valkey() as server:
        yield server


def calls_told(listener: EventListener) -> list[dict[str, Any]]:
    """The events of calls up to now."""
    return [event for event in listener.events if event["type"] == names.EVENT_BATCH]


def of_type(listener: EventListener, kind: str) -> list[dict[str, Any]]:
    """The events of this type up to now."""
    return [event for event in listener.events if event["type"] == kind]


def named(listener: EventListener, kind: str) -> list[dict[str, Any]]:
    """The same, each with the name of its task, which the first event alone says."""
    names_ = {event["uuid"]: event["name"] for event in of_type(listener, "task-received")}
    return [{**event, "name": names_[event["uuid"]]} for event in of_type(listener, kind)]


def attempts(system: System, broadcast_id: str) -> list[tuple[Any, ...]]:
    """What the ledger says of every call of a broadcast, in the order of the calls."""
    query = (
        select(
            AttemptRow.account,
            Batch.broadcast_id,
            Batch.n,
            AttemptRow.number,
            AttemptRow.outcome,
            AttemptRow.errcode,
            AttemptRow.elapsed_ms,
        )
        .join(Batch, Batch.id == AttemptRow.batch_id)
        # What a busy machine claimed and was too late to call is no call.
        .where(Batch.broadcast_id == broadcast_id, AttemptRow.outcome != Outcome.NOT_CALLED)
        .order_by(AttemptRow.id)
    )
    with system.engine.connect() as connection:
        return [(*row[:4], row.outcome.value, *row[5:]) for row in connection.execute(query)]


def test_each_call_is_told_once_as_the_ledger_has_it(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(
        followers=12, accounts=2, BROADCAST_BATCH_SIZE="2", BROADCAST_WAIT_SCALE="0.01"
    )
    first, second = system.simulator.accounts
    # The first reply of one account is lost, the second call finds its token refused.
    system.simulator.fault("drop", when="after", path=MASS_SEND, appid=first.appid, count=1)
    system.simulator.fault("errcode", errcode=40001, path=MASS_SEND, appid=first.appid, skip=2)
    with EventListener(valkey.url) as listener:
        system.worker()
        listener.wait_for("worker-heartbeat")
        sent = [
            system.send(
                system.simulator.openids(12, appid=account.appid),
                "--account",
                account.name,
                "--wait",
            )["id"]
            for account in (first, second)
        ]
        ledgers = [attempts(system, broadcast_id) for broadcast_id in sent]
        expected = [call for ledger in ledgers for call in ledger]
        until(lambda: len(calls_told(listener)) >= len(expected), 30, "an event of every call")
    told = calls_told(listener)

    assert sorted(tuple(event[key] for key in OURS) for event in told) == sorted(expected)
    assert [len(ledger) for ledger in ledgers] == [8, 6]
    assert [call[4:6] for call in ledgers[0]].count(("unknown", None)) == 1
    assert [call[4:6] for call in ledgers[0]].count(("token", 40001)) == 1
    assert all(event["ms"] >= 0 for event in told)
    # Nobody's OpenID, no text and no token goes through the broker.
    assert {key for event in told for key in event} == CELERYS | {*OURS, "then"}


@pytest.mark.prove
def test_a_broker_that_is_away_does_not_disturb_the_lane(
    start_system: StartSystem, broker: Valkey
) -> None:
    system = start_system(
        followers=80, latency_ms=200, BROADCAST_BATCH_SIZE="2", CELERY_BROKER_URL=broker.url
    )
    openids = system.simulator.openids(80)
    with EventListener(broker.url) as listener:
        worker = system.worker()
        listener.wait_for("worker-heartbeat")
        told = system.send(openids[:60])
        system.simulator.wait_for_jobs(2)

    broker.kill()
    report = system.until_state(told["id"], "completed", timeout_s=60)
    worker.wait_for_line("account default: events for monitors not sent", timeout_s=30)

    assert sets_of(report) == {"accepted": 60}
    assert report.calls == 30
    assert system.simulator.ledger() == {
        "delivered_distinct": 60,
        "deliveries": 60,
        "delivered_max": 1,
        "doubled": 0,
    }

    broker.start()
    with EventListener(broker.url) as listener:
        listener.wait_for("worker-heartbeat", timeout_s=60)
        told = system.send(openids[60:], "--wait")
        until(lambda: len(calls_told(listener)) >= 10, 30, "events again")

    assert [event["batch"] for event in calls_told(listener)] == [*range(1, 11)]
    assert {event["broadcast"] for event in calls_told(listener)} == {told["id"]}


def test_what_a_person_must_see_is_a_failed_task_that_was_acknowledged_and_the_lane_went_on(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=8, BROADCAST_BATCH_SIZE="2", BROADCAST_LANG="zh")
    openids = system.simulator.openids(8)
    system.simulator.fault("errcode", errcode=45008, path=MASS_SEND, skip=1, count=1)
    with EventListener(valkey.url) as listener:
        worker = system.worker()
        listener.wait_for("worker-heartbeat")
        sent = system.send(openids)["id"]
        system.until_state(sent, "paused", timeout_s=20)
        system.send(openids[:4], "--text", "另一条", "--wait")
        with foreign.app_of(valkey.url) as app:
            text = {"msgtype": "text", "text": {"content": "您好"}}
            bad = {"key": "k", "content": text, "audience": {"openids": openids}, "bad": openids[0]}
            app.send_task(names.ENQUEUE, kwargs=bad, queue=names.ENQUEUE)
            app.send_task("broadcast.unknown", kwargs=bad, queue=names.ENQUEUE)
        until(lambda: of_type(listener, "task-failed")[2:], 30, "three failures")
        failed = {event["name"]: event for event in named(listener, "task-failed")}
        until(lambda: not valkey.client().hlen(names.UNACKED), 30, "every message to be taken")

    short = sent.rpartition("-")[2]
    slice_, bad_body, no_task = (
        failed[name]["exception"] for name in (names.SEND_BATCH, names.ENQUEUE, names.REPORT)
    )
    assert slice_.startswith(f"{short} 2/4 被拒绝 45008 · 图文消息的文章篇数过多 · 已自动暂停：")
    assert f"{sent} --set cancelled --set refused > rest.txt → broadcast send " in slice_
    assert bad_body.startswith("dead-")
    assert "broadcast dead drop dead-" in bad_body
    assert "broadcast dead drop dead-" in no_task
    assert len(of_type(listener, "task-failed")) == 3
    # The lane went on behind it, and no message came twice.
    assert [event["batch"] for event in calls_told(listener)] == [1, 2, 1, 2]
    received = [event["uuid"] for event in of_type(listener, "task-received")]
    assert len(received) == len(set(received))
    # Neither a monitor nor the log has more than the line.
    assert all(event["traceback"] is None for event in failed.values())
    assert "Traceback" not in worker.output
    assert not any(openid in repr(listener.events) for openid in openids)


def test_what_beat_wakes_for_nothing_is_no_event_and_a_broadcast_is(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=2)
    done = [f"Task {name}[" for name in (names.SWEEP, names.LAUNCH_DUE, names.REFRESH_TOKEN)]
    with EventListener(valkey.url) as listener:
        worker = system.worker()
        listener.wait_for("worker-heartbeat")
        system.beat()
        until(lambda: all(one in worker.output for one in done), 60, "each to be woken by beat")
        system.send(system.simulator.openids(2), "--wait")
        until(lambda: calls_told(listener), 30, "an event of the call")
        listener.wait_for("task-succeeded")

    told = {event["name"] for event in listener.events if event["type"] == "task-received"}
    assert names.SEND_BATCH in told
    assert told <= {names.PLAN, names.SEND_BATCH, names.POLL_ACCOUNT}
