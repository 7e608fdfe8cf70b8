"""A process dies exactly at the point it was told to, and nowhere when it was told nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from broadcast.crashpoints import VARIABLE, Point
from tests.kit.processes import RunningProcess
from tests.kit.wait import until

ROOT = Path(__file__).parents[3]
WALK = """
from broadcast.crashpoints import Point, failpoint
for _ in range(3):
    print("claim", flush=True)
    failpoint(Point.CLAIM_COMMITTED)
    print("call", flush=True)
    failpoint(Point.CALL_ENDED)
"""
#: The point is passed beside the main thread, as in a worker; and the main thread, which would take
#: a signal that was sent to the whole process, is the last to run on this processor.
BESIDE = """
import os, threading
from broadcast.crashpoints import Point, failpoint
go = threading.Event()
def work():
    go.wait()
    failpoint(Point.CLAIM_COMMITTED)
    os.write(1, b"call")
worker = threading.Thread(target=work)
worker.start()
if hasattr(os, "SCHED_IDLE"):
    os.sched_setaffinity(os.getpid(), {min(os.sched_getaffinity(0))})
    os.sched_setaffinity(worker.native_id, {min(os.sched_getaffinity(0))})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
go.set()
worker.join()
"""


def walk(order: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if order is not None:
        environment[VARIABLE] = order
    return subprocess.run(
        [sys.executable, "-c", WALK],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_nothing_happens_at_a_point_when_nothing_is_ordered() -> None:
    done = walk(None)
    assert done.returncode == 0
    assert done.stdout.split() == ["claim", "call"] * 3


@pytest.mark.parametrize(
    ("order", "walked"),
    [
        ("claim.committed", ["claim"]),
        ("call.ended", ["claim", "call"]),
        ("claim.committed:3", ["claim", "call", "claim", "call", "claim"]),
        ("claim.committed:2:KILL", ["claim", "call", "claim"]),
    ],
)
def test_a_process_is_killed_at_the_nth_passing_of_the_point(order: str, walked: list[str]) -> None:
    done = walk(order)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == walked
    assert f"SIGKILL at {order.partition(':')[0]}" in done.stderr


def test_the_thread_that_passes_the_point_goes_no_step_further_while_it_is_stopped(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with RunningProcess(
        [sys.executable, "-c", BESIDE], log=log, env={VARIABLE: "claim.committed:1:STOP"}
    ) as walker:
        state = psutil.Process(walker.pid)
        until(lambda: state.status() == psutil.STATUS_STOPPED, 20, "the stop")
        assert "call" not in walker.output
        walker.thaw()
        assert walker.wait() == 0
        assert "call" in walker.output


@pytest.mark.parametrize("order", ["nowhere", "claim.committed:x", "claim.committed:1:WAVE", ""])
def test_an_order_that_cannot_be_read_stops_the_process_at_once(order: str) -> None:
    done = walk(order)
    assert done.returncode == 1
    assert not done.stdout


def test_every_point_is_passed_somewhere_in_the_code() -> None:
    rooms = ("broadcast", "models", "producer", "worker")
    code = "".join(
        file.read_text("utf-8") for room in rooms for file in (ROOT / room).rglob("*.py")
    )
    passed = set(re.findall(r"failpoint\(Point\.(\w+)\)", code))
    assert passed == {point.name for point in Point}
