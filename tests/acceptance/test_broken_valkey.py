"""Valkey breaks under a running lane: it costs time, never a batch, never a double."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.recovery import (
    Traffic,
    everybody_lives,
    for_seconds,
    start_all,
)
from tests.kit.endpoints import MASS_SEND, STABLE_TOKEN
from tests.kit.wait import until
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.servers.valkey import Valkey

#: Longer than a lane's pause before it asks again.
FAULT_S = 2.0


def configure(valkey: Valkey, **options: str) -> None:
    """CONFIG SET."""
    with valkey.client() as client:
        for name, value in options.items():
            client.config_set(name.replace("_", "-"), value)


def test_valkey_that_is_killed_emptied_full_or_a_replica_costs_time_and_nothing_else(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=200, accounts=2, latency_ms=250)
    busy, idle = system.simulator.accounts
    traffic = Traffic(system, batches=80, of=busy)
    start_all(system)
    traffic.wait_for_calls(2)

    with for_seconds(FAULT_S, valkey.revive):
        valkey.kill()
    traffic.recovers("Valkey killed for 2 s, and empty when it was back")

    valkey.flushall()
    traffic.recovers("Valkey emptied")

    with for_seconds(FAULT_S, lambda: configure(valkey, maxmemory="0")):
        configure(valkey, maxmemory_policy="noeviction", maxmemory="1mb")
    traffic.recovers("Valkey full for 2 s")

    with valkey.client() as client:
        with for_seconds(FAULT_S, lambda: client.replicaof("NO", "ONE")):
            client.replicaof("127.0.0.1", str(free_port()))
        traffic.recovers("Valkey a read-only replica for 2 s")

    # The lane that was under way is driven on without a broker; a new one needs it.
    other = Traffic(system, batches=2, of=idle)
    other.recovers("a lane that was first needed after all this")
    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    other.ends_whole()
    traffic.ends_whole()


@pytest.mark.parametrize("seconds", [8.0, pytest.param(60.0, marks=pytest.mark.prove)])
def test_frozen_valkey_is_waited_for(
    start_system: StartSystem, valkey: Valkey, seconds: float
) -> None:
    system = start_system(followers=120, accounts=2, latency_ms=250)
    busy, idle = system.simulator.accounts
    traffic = Traffic(system, batches=40, of=busy)
    start_all(system)
    traffic.wait_for_calls(2)

    with for_seconds(seconds, valkey.thaw):
        valkey.freeze()
        other = Traffic(system, batches=2, of=idle)
    traffic.recovers(f"Valkey frozen for {seconds:g} s")
    other.recovers(f"Valkey frozen for {seconds:g} s, a lane that was first needed meanwhile")

    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    other.ends_whole()
    traffic.ends_whole()


@pytest.mark.prove
def test_a_worker_that_is_to_stop_ends_while_valkey_is_silent(
    start_system: StartSystem, valkey: Valkey
) -> None:
    worker = start_system(followers=2).worker()

    valkey.freeze()

    # Every word to a silent broker takes five seconds, and there are a few on the way out.
    assert worker.stop(timeout_s=60) == 0


def test_valkey_emptied_while_a_call_is_in_flight_or_a_refresher_stands_still_doubles_nothing(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=40)
    system.simulator.fault("slow", when="after", path=STABLE_TOKEN, seconds=3, count=1)
    first = system.worker()
    traffic = Traffic(system, batches=10)
    system.beat()
    # A call is listed when it has ended; that it has begun is told by the fault.
    until(lambda: system.simulator.faults()[0]["fired"] == 1, 30, "a token under way")

    # Stopped amid a transaction it would hold SQLite's one lock, and nobody could go on.
    with system.engine.begin():
        first.freeze()
    valkey.flushall()
    system.worker()
    system.simulator.fault("slow", when="after", path=MASS_SEND, seconds=2, skip=2, count=1)
    traffic.recovers("the only refresher stopped, and Valkey emptied")
    until(lambda: system.simulator.faults()[1]["fired"] == 1, 30, "a slow call in flight")
    valkey.flushall()
    first.thaw()
    traffic.recovers("Valkey emptied while a call was in flight, and the refresher woken up")

    everybody_lives(system)
    traffic.ends_whole()
    assert len(system.simulator.calls(path=STABLE_TOKEN)) <= 4
