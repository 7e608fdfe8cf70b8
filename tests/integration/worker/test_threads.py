"""Threads that cannot be started: nothing is lost, and the next try may find one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.states import WebhookState
from tests.integration.worker.test_slices import WeChat, context
from tests.integration.worker.test_webhooks import deliverer, stored, told, until_state
from tests.kit import ledger
from tests.kit.processes import ROOT
from tests.kit.receiver import Receiver
from worker.delivery import lane

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@contextmanager
def no_thread_starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the system have no thread left for this process."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", start)
        yield


@sqlite
def test_a_lane_whose_lease_nothing_can_renew_is_given_back_and_driven_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.broadcast(engine, size=20, batches=2)
    wechat = WeChat()
    here = context(engine, wechat)

    with no_thread_starts(monkeypatch):
        done = lane.drive(here, seconds=5)

    assert (done.again, done.busy, wechat.keys) == (True, False, [])
    assert [one.getMessage() for one in caplog.records] == [
        "no lane is driven: its lease cannot be renewed: can't start new thread"
    ]
    assert not lane.drive(here, seconds=5).again
    assert len(wechat.keys) == 2
    assert "heartbeat" in {thread.name for thread in threading.enumerate()}


@sqlite
def test_a_lane_that_is_renewed_needs_no_further_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(engine, size=20, batches=2)
    wechat = WeChat()
    here = context(engine, wechat)
    lane.drive(here, seconds=5)
    ledger.broadcast(engine, size=30, batches=3, key="second")

    with no_thread_starts(monkeypatch):
        lane.drive(here, seconds=5)

    assert len(wechat.keys) == 2 + 3


@sqlite
def test_webhooks_are_delivered_once_a_thread_can_be_started(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    told(engine, receiver.url)
    deliveries = deliverer(engine)

    with no_thread_starts(monkeypatch):
        started = [deliveries.start() for _ in range(20)]

    assert set(started) == {0}
    assert {one.state for one in stored(engine)} == {WebhookState.WAITING}
    assert until_state(engine, WebhookState.DELIVERED, start=deliveries)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.parametrize(
    "begin",
    [
        "from worker.application import make; make()",
        (
            "import entrypoints.cli.main as m;"
            "m.run = lambda _: 0; m.sys.exit = lambda _: None; m.main()"
        ),
    ],
)
def test_numpy_starts_no_thread_of_its_own(begin: str, tmp_path: Path) -> None:
    """Where it could not, it would interrupt the process: the only worker would end."""
    count = "import os, numpy; print(len(os.listdir('/proc/self/task')))"
    done = subprocess.run(
        [sys.executable, "-c", f"{begin}; {count}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )

    assert (done.stdout, done.returncode) == ("1\n", 0)
