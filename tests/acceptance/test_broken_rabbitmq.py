"""RabbitMQ as broker goes away under a running lane, and comes back: the database decides."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from tests.acceptance.recovery import SOON_S, Traffic, everybody_lives, for_seconds, start_all
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.fixtures import MakeProxy
    from tests.servers.proxy import TCPProxy
    from tests.servers.rabbitmq import RabbitMQ

    Through = tuple[TCPProxy, str]

FAULT_S = 2.0
HALF_OPEN = "RabbitMQ: connections dead without a reset"
#: Three slices of a lane.
WATCHED_S = 40.0


@pytest.fixture
def through(rabbitmq: RabbitMQ, rabbitmq_url: str, tcp_proxy: MakeProxy) -> Through:
    """A proxy before RabbitMQ, and the broker's URL through it."""
    proxy = tcp_proxy((LOOPBACK, rabbitmq.port))
    broker = make_url(rabbitmq_url).set(port=proxy.port)
    return proxy, broker.render_as_string(hide_password=False)


def wakes_in_vain(system: System) -> int:
    """How many wakes of the workers were given up."""
    return sum(process.output.count("worker.wake: broker away") for process in system.processes)


def test_rabbitmq_that_is_cut_or_stopped_costs_time_and_nothing_else(
    rabbitmq: RabbitMQ, through: Through, start_system: StartSystem
) -> None:
    proxy, broker = through
    system = start_system(followers=800, accounts=3, latency_ms=250, CELERY_BROKER_URL=broker)
    busy, *idle = system.simulator.accounts
    traffic = Traffic(system, batches=200, of=busy)
    start_all(system)
    traffic.wait_for_calls(2)

    assert proxy.cut()
    traffic.recovers("RabbitMQ: connections cut")
    others = [Traffic(system, batches=2, of=idle[0])]
    others[0].recovers("RabbitMQ: connections cut, a lane that was first needed afterwards")

    with for_seconds(FAULT_S, rabbitmq.start):
        rabbitmq.stop()
    traffic.recovers("RabbitMQ: node stopped and started")
    others.append(Traffic(system, batches=2, of=idle[1]))
    others[1].recovers("RabbitMQ: node stopped and started, a lane first needed afterwards")

    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    for one in (*others, traffic):
        one.ends_whole()


@pytest.mark.prove
def test_rabbitmq_that_is_silent_costs_time_and_nothing_else(
    through: Through, start_system: StartSystem
) -> None:
    proxy, broker = through
    system = start_system(followers=800, accounts=2, latency_ms=250, CELERY_BROKER_URL=broker)
    busy, idle = system.simulator.accounts
    traffic = Traffic(system, batches=200, of=busy)
    start_all(system)
    traffic.wait_for_calls(2)

    before = wakes_in_vain(system)
    proxy.stall()
    # A lane whose next wake nobody confirms is driven on here.
    until(lambda: wakes_in_vain(system) > before, 60, "a wake-up that is given up")
    traffic.recovers("RabbitMQ: silent, and still so")
    proxy.flow()
    other = Traffic(system, batches=2, of=idle)
    other.recovers("RabbitMQ: silent until a moment ago, a lane first needed afterwards")

    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    for one in (other, traffic):
        one.ends_whole()


@pytest.mark.prove
def test_rabbitmq_connections_that_die_without_a_reset_are_noticed(
    through: Through, start_system: StartSystem
) -> None:
    proxy, broker = through
    system = start_system(followers=500, accounts=2, latency_ms=250, CELERY_BROKER_URL=broker)
    busy, idle = system.simulator.accounts
    traffic = Traffic(system, batches=240, of=busy)
    start_all(system)
    traffic.wait_for_calls(2)

    # Old connections are silent for ever, new ones are served: a router forgot what it knew.
    assert proxy.bury()
    began = time.time()
    other = Traffic(system, batches=2, of=idle)
    # Two heartbeats until the workers notice, as many until RabbitMQ gives back what it handed to
    # the dead connections meanwhile, and a sweep.
    what = f"{HALF_OPEN}, a lane that was first needed afterwards"
    other.recovers(what, since=began, within_s=30)
    # A slice of a lane takes 10 s, after which it wakes.
    traffic.wait_for_calls(1)
    gap_s = longest_gap(system, traffic, until_s=began + WATCHED_S)

    print(f"recovery: {HALF_OPEN}, the longest gap between two calls of a lane: {gap_s:.1f} s")
    assert gap_s < SOON_S
    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    for one in (other, traffic):
        one.ends_whole(timeout_s=120)


def longest_gap(system: System, traffic: Traffic, *, until_s: float) -> float:
    """Watch a lane until a moment (Unix time); return the longest time without a call."""
    until(lambda: time.time() >= until_s, until_s - time.time() + 5, "the end of the watch")
    calls = system.simulator.mass_calls(appid=traffic.of.appid)
    starts = [*(call["start"] for call in calls if call["start"] < until_s), until_s]
    return max(after - before for before, after in pairwise(starts))
