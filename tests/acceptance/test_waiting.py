"""What waits goes on by itself, and nobody waits for somebody else's account."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import UNLIMITED, sets_of
from tests.kit.processes import RunningProcess
from tests.kit.simulator import Simulator
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

BROADCAST = str(Path(sys.executable).parent / "broadcast")


def commands(system: System, name: str) -> int:
    """How often Valkey has run a command, whoever asked."""
    with system.valkey.client() as client:
        stats: Any = client.info("commandstats")
    return int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"])


def test_a_broadcast_that_was_stored_while_wechat_was_away_goes_on_when_it_is_back(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=400, BROADCAST_WAIT_SCALE=str(1 / 60))
    simulator = system.simulator
    people = simulator.openids(30)
    port = int(simulator.url.rpartition(":")[2])
    simulator.kill()

    told = system.send(people)
    assert told["state"] in {"planning", "waiting"}
    system.worker()
    system.beat()
    until(lambda: system.report(told["id"]).lane.wait_reason, 30, "the lane to wait for WeChat")

    with Simulator(simulator.accounts, followers=400, port=port) as back:
        back.change_account(None, **UNLIMITED)
        assert sets_of(system.until_state(told["id"], "completed")) == {"accepted": 30}
        assert set(back.delivered(people).values()) == {1}


def test_ctrl_c_while_send_waits_leaves_the_broadcast_running_and_names_it(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=400, latency_ms=200, BROADCAST_BATCH_SIZE="2")
    system.worker()
    file = system.folder / "people.txt"
    file.write_text("\n".join(system.simulator.openids(40)) + "\n", encoding="ascii")
    words = [BROADCAST, "send", "--openids", str(file), "--text", "您好", "--key", "k", "--wait"]
    log = system.folder / "send.log"
    with RunningProcess(words, log=log, env=system.env, cwd=system.folder) as process:
        system.simulator.wait_for_jobs(3)
        process.signal_group(signal.SIGINT)
        assert process.wait() == 130

    [told] = system.all_reports()
    assert f"{told.id} is not affected" in process.output
    assert f"broadcast pause {told.id}" in process.output
    assert f"broadcast watch {told.id}" in process.output
    assert sets_of(system.until_state(told.id, "completed")) == {"accepted": 40}


@pytest.mark.prove
def test_a_long_broadcast_does_not_starve_another_account_of_the_only_thread(
    start_system: StartSystem,
) -> None:
    system = start_system(
        followers=400,
        accounts=2,
        latency_ms=300,
        BROADCAST_BATCH_SIZE="2",
        BROADCAST_CONCURRENCY="1",
    )
    long, short = system.simulator.accounts
    system.worker()
    # Three slices' worth of calls.
    first = system.send(system.simulator.openids(200, appid=long.appid), "--account", long.name)
    system.simulator.wait_for_jobs(1)
    second = system.send(system.simulator.openids(4, appid=short.appid), "--account", short.name)

    system.until_state(second["id"], "completed")
    assert system.report(first["id"]).batches["waiting"] > 0
    system.broadcast("cancel", first["id"])


def test_a_lane_pays_no_trip_to_the_broker_for_a_batch(start_system: StartSystem) -> None:
    system = start_system(followers=400, BROADCAST_BATCH_SIZE="2")
    system.worker()
    people = system.simulator.openids(200)
    before = commands(system, "lpush")
    told = system.send(people, "--wait")
    assert told["batches"]["total"] == 100
    # The plan, the slice, and what a sweep may add: nothing that grows with the batches.
    assert commands(system, "lpush") - before <= 5
