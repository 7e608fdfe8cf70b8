"""SQLite breaks under a running lane: locked, full, read-only, and beside a very large submit."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.engine import open_engine
from simulator.openid import openid_lines
from tests.acceptance.recovery import Traffic, everybody_lives, for_seconds, start_all
from tests.kit.processes import RunningProcess, python_module
from tests.kit.system import WORKER
from tests.kit.wait import patiently, until
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FAULT_S = 2.0
#: A transaction may take 0.1 s; the rest is the call itself and a busy machine.
LONGEST_GAP_S = patiently(3)


@pytest.mark.parametrize("seconds", [8.0, pytest.param(30.0, marks=pytest.mark.prove)])
def test_locked_file_is_waited_for(start_system: StartSystem, seconds: float) -> None:
    system = start_system(followers=80, latency_ms=100)
    traffic = Traffic(system, batches=40)
    start_all(system)
    traffic.wait_for_calls(2)

    # A connection of another program, in the middle of a long transaction.
    engine = open_engine(system.database_url)
    with engine.connect() as connection:
        connection.begin()
        with for_seconds(seconds, connection.rollback):
            before = traffic.calls()
        traffic.recovers(f"SQLite locked for {seconds:g} s")
    engine.dispose()

    assert traffic.calls() > before
    everybody_lives(system)
    traffic.ends_whole()


def limit_files(process: RunningProcess, size: int) -> None:
    """Let no file that the process writes grow beyond *size* bytes: as on a full disk."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_full_disk_is_waited_for_also_with_a_call_in_flight(start_system: StartSystem) -> None:
    system = start_system(followers=400, latency_ms=100)
    traffic = Traffic(system, batches=200)
    worker = system.worker()
    system.beat()
    traffic.wait_for_calls(2)

    # The worker's log lies on the same disk; nothing of it may be in the way.
    size = 64_000
    limit_files(worker, size)
    until(
        lambda: any(word in worker.output for word in ("disk I/O error", "disk is full")),
        40,
        "a worker that hears of the full disk",
    )
    with for_seconds(FAULT_S, lambda: limit_files(worker, resource.RLIM_INFINITY)):
        before = traffic.calls()
    traffic.recovers("SQLite: disk full for 2 s")

    assert len(worker.output) < size
    print(f"{before} calls before")
    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    traffic.ends_whole()


def worker_that_obeys_modes(system: System) -> RunningProcess:
    """A worker that may not write to a file that is read-only, whoever runs the tests."""
    words = python_module("celery", *WORKER, "-l", "INFO", "-n", "obedient@test")
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            not_proved("a database file made read-only", "root writes to it all the same")
        words = [setpriv, "--bounding-set", "-dac_override", *words]
    process = RunningProcess(
        words, log=system.folder / "obedient.log", env=system.env, cwd=system.folder
    )
    system.processes.append(process)
    process.wait_for_line(" ready.", timeout_s=60)
    return process


def test_file_made_read_only_stops_the_lane_only_for_as_long_as_it_is_so(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=200, latency_ms=100)
    traffic = Traffic(system, batches=100)
    first = worker_that_obeys_modes(system)
    system.beat()
    traffic.wait_for_calls(2)
    file = Path(str(system.engine.url.database))

    # Who has it open goes on; who opens it now cannot write.
    file.chmod(0o444)
    traffic.wait_for_calls(5)
    assert first.stop() == 0
    second = worker_that_obeys_modes(system)
    second.wait_for_line("readonly database", timeout_s=40)
    with for_seconds(FAULT_S, lambda: file.chmod(0o644)):
        before = traffic.calls()
    traffic.recovers("SQLite: the file read-only, until a moment ago")

    print(f"{before} calls before")
    assert second.exit_status is None
    system.simulator.set_switches(latency_ms=0)
    traffic.ends_whole()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [1_000_000, pytest.param(10_000_000, marks=pytest.mark.prove)])
def test_large_submit_does_not_stop_the_lane_beside_it(
    start_system: StartSystem, count: int
) -> None:
    batches = count // 2_500
    system = start_system(followers=2 * batches, accounts=2, latency_ms=50)
    busy, other = system.simulator.accounts
    file = system.folder / "large.txt"
    with file.open("wb") as out:
        out.writelines(openid_lines(other.appid, count=count))
    traffic = Traffic(system, batches=batches, of=busy)
    start_all(system, workers=1)
    traffic.wait_for_calls(5)

    began = time.time()
    next_month = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
    # It is for later, so that nothing but the submit itself lies beside the lane.
    done = system.broadcast(
        "send",
        "--openids",
        file,
        "--text",
        "您好",
        "--account",
        other.name,
        "--at",
        next_month,
        timeout_s=800,
    )
    ended = time.time()

    assert done.returncode == 0
    starts = [
        call["start"]
        for call in system.simulator.mass_calls(appid=busy.appid)
        if began <= call["start"] <= ended
    ]
    gaps = [
        after - before for before, after in zip([began, *starts], [*starts, ended], strict=True)
    ]
    print(
        f"recovery: SQLite beside a submit of {count:,} ({ended - began:.0f} s): "
        f"{len(starts)} calls, the longest gap {max(gaps):.1f} s"
    )
    assert max(gaps) < LONGEST_GAP_S
    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    traffic.ends_whole(timeout_s=300)
