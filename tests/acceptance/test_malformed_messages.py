"""Whatever stands in the queue: one line each, the workers live, and what is behind it is sent."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from broadcast import names
from tests.acceptance.recovery import Traffic, everybody_lives
from tests.kit import foreign, junk
from tests.kit import system as system_kit
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.rabbitmq import RabbitMQ
    from tests.servers.valkey import Valkey

#: One line of a log: Celery's longest names a task, its id and what it returned.
LONGEST_LINE = 1000
SHORT, LONG = 300, 10_000
#: RabbitMQ is for the long proofs.
BROKERS = ["valkey", pytest.param("rabbitmq", marks=pytest.mark.prove)]
COUNTS = [pytest.param(SHORT), pytest.param(LONG, marks=pytest.mark.prove)]
SEED = 20261126
UNPACKED_BYTES = 400_000_000
BODIES: list[Any] = [
    {},
    [],
    None,
    [1],
    3,
    {"hostname": []},
    {"type": "worker-heartbeat"},
    {"method": []},
    {"type": 3, "hostname": "x"},
    {"method": "x", "arguments": 3},
    {"method": "ping", "pattern": 3},
    {"method": "ping", "destination": 3},
    {"type": "worker-online", "hostname": "x", "clock": "y"},
]
HEADERS: list[dict[str, Any]] = [
    {},
    {"hostname": "x"},
    {"hostname": []},
    {"clock": []},
    {"clock": 3, "expires": "x"},
]


def everything_is_sent(system: System, *, left: Callable[[], int]) -> None:
    """The queue is read to its end, and the same workers send a broadcast."""
    until(
        lambda: any(p.exit_status is not None for p in system.processes) or not left(),
        300,
        "every message taken and acknowledged",
    )
    everybody_lives(system)
    traffic = Traffic(system, batches=5)
    beat = system.beat()
    traffic.ends_whole()
    assert beat.stop() == 0
    assert not any(worker.stop() for worker in system.processes[:-1])


def logs_are_fit(system: System) -> None:
    """No traceback, no words of the messages, no line without an end."""
    output = "\n".join(process.output for process in system.processes)
    assert "message dropped: " in output
    assert "Traceback" not in output
    assert junk.HIDDEN not in output
    assert max(map(len, output.splitlines())) < LONGEST_LINE


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", COUNTS)
def test_nothing_in_a_redis_queue_stops_a_worker(
    start_system: StartSystem, valkey: Valkey, count: int
) -> None:
    system = start_system(followers=20)
    for _ in range(2):
        system.worker()
    with valkey.client() as client:
        assert junk.push_to_redis(client, junk.junk(SEED, count), seed=SEED) == count

        everything_is_sent(
            system, left=lambda: client.llen(names.QUEUE) + client.hlen(names.UNACKED)
        )
    logs_are_fit(system)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", COUNTS)
def test_nothing_in_a_rabbitmq_queue_stops_a_worker(
    start_system: StartSystem, rabbitmq: RabbitMQ, rabbitmq_url: str, count: int
) -> None:
    system = start_system(followers=20, CELERY_BROKER_URL=rabbitmq_url)
    for _ in range(2):
        system.worker()
    assert junk.publish_to_rabbitmq(rabbitmq_url, junk.junk(SEED, count), seed=SEED) == count
    vhost = rabbitmq_url.rpartition("/")[2]

    def left() -> int:
        told = rabbitmq.control("list_queues", "-p", vhost, "name", "messages")
        queues = dict(line.split("\t") for line in told.splitlines() if "\t" in line)
        return int(queues[names.QUEUE])

    everything_is_sent(system, left=left)
    logs_are_fit(system)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("broker_url", BROKERS, indirect=True)
def test_a_message_that_unpacks_to_whatever_length_costs_a_worker_no_memory(
    start_system: StartSystem, broker_url: str
) -> None:
    system = start_system(followers=20, CELERY_BROKER_URL=broker_url)
    system.worker()
    each = junk.publish_bombs(
        broker_url, unpacked_bytes=UNPACKED_BYTES, queues=[names.QUEUE, names.ENQUEUE]
    )

    until(lambda: len(foreign.dead_letters(system)) == each, 60, "a dead letter of each")
    peak = peak_bytes(system.processes[0].pid)
    everything_is_sent(system, left=lambda: 0)
    logs_are_fit(system)
    output = system.processes[0].output
    assert output.count("message dropped: ") == 2 * each
    assert output.count("dropped: its body is longer than 4000000 bytes") == 2 * (each - 1)
    assert peak < UNPACKED_BYTES / 2


def peak_bytes(pid: int) -> int:
    """How much memory a process had at most."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


@pytest.mark.parametrize("broker_url", BROKERS, indirect=True)
def test_nothing_that_is_published_to_every_worker_stops_one(
    start_system: StartSystem, valkey: Valkey, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events, and the commands of `celery control`; to workers as people start them.

    Nor does what any other Celery app on the broker sends to its own workers.
    """
    monkeypatch.setattr(system_kit, "WORKER", ("-A", "worker", "worker"))
    system = start_system(followers=20, CELERY_BROKER_URL=broker_url)
    for _ in range(2):
        system.worker()
    with foreign.app_of(broker_url) as shop:
        shop.control.cancel_consumer(names.QUEUE)
        shop.control.shutdown()
        assert shop.control.ping(limit=1, timeout=0.5) == []
    with contextlib.closing(Celery(broker=broker_url, set_as_current=False)) as app:
        app.conf.update(control_exchange=names.CONTROL, event_exchange=names.EVENTS)
        with app.connection() as connection, connection.Producer() as producer:
            for body, headers in product(BODIES, HEADERS):
                publish = partial(producer.publish, body, headers=headers, serializer="json")
                publish(exchange=f"{names.CONTROL}.pidbox", routing_key="")
                for key in ("worker.heartbeat", "worker.elect", "task.multi", ""):
                    publish(exchange=names.EVENTS, routing_key=key)
        with valkey.client() as client:
            for raw in (b"[]", b"{}", b'{"properties": {}}', b"null", b"3"):
                client.publish(f"/0.{names.CONTROL}.pidbox", raw)
                client.publish(f"/0.{names.EVENTS}/worker.heartbeat", raw)

        # Each command is answered in its turn.
        until(lambda: len(app.control.ping(timeout=2) or ()) == 2, 30, "an answer of both")
        everybody_lives(system)
    traffic = Traffic(system, batches=5)
    system.beat()
    traffic.ends_whole()
    everybody_lives(system)
