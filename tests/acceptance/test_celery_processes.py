"""Workers and beats as processes: side by side, at a socket, without tables, set up wrongly."""

from __future__ import annotations

import json
import os
from signal import Signals as Signal
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import sets_of
from tests.kit.processes import celery
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.servers.fixtures import Launch
from tests.acceptance.test_processes import BROADCAST


def test_three_beats_and_two_workers_send_one_broadcast_once(start_system: StartSystem) -> None:
    system = start_system(followers=300, latency_ms=40, BROADCAST_BATCH_SIZE="3")
    beats = [system.beat() for _ in range(3)]
    workers = [system.worker(ready=False) for _ in range(2)]
    for worker in workers:
        worker.wait_for_line(" ready.", timeout_s=40)

    told = system.send(system.simulator.openids(300))
    report = system.until_state(told["id"], "completed", timeout_s=60)
    for beat in beats:
        beat.wait_for_line("Sending due task sweep", times=2)

    assert sets_of(report) == {"accepted": 300}
    assert report.calls == len(system.simulator.mass_calls()) == 100
    assert system.simulator.max_in_flight() == 1
    assert system.simulator.ledger() == {
        "delivered_distinct": 300,
        "deliveries": 300,
        "delivered_max": 1,
        "doubled": 0,
    }


@pytest.mark.parametrize(("signal", "level"), [(Signal.SIGTERM, "INFO"), (Signal.SIGINT, "DEBUG")])
def test_of_a_log_of_json_each_line_of_worker_and_beat_is_an_object_from_start_to_stop(
    start_system: StartSystem, signal: Signal, level: str
) -> None:
    system = start_system(followers=4, BROADCAST_LOG_FORMAT="json")
    pair = [system.worker(log_level=level), system.beat(log_level=level)]
    told = system.send(system.simulator.openids(4))
    system.until_state(told["id"], "completed", timeout_s=40)
    pair[1].wait_for_line("Sending due task sweep")
    os.kill(pair[0].pid, Signal.SIGUSR1)
    pair[0].wait_for_line('"event": "celery_says"')
    for process in pair:
        os.kill(process.pid, signal)
        process.wait()

    events = [list(map(json.loads, process.output.splitlines())) for process in pair]
    assert all({one["level"] for one in some} >= {"info"} for some in events)
    dump, *_ = [one["message"] for one in events[0] if one.get("event") == "celery_says"]
    assert all(f"{thread}\n====" in dump for thread in ("MainThread", "ThreadPoolExecutor-0_0"))
    assert "LOCAL VARIABLES" in dump


def test_a_dump_of_all_threads_goes_through_the_log_which_masks_secrets(
    start_system: StartSystem,
) -> None:
    worker = start_system(followers=1).worker()
    os.kill(worker.pid, Signal.SIGUSR1)

    worker.wait_for_line("LOCAL VARIABLES")
    assert " WARNING worker.application: Celery says: " in worker.output


def test_a_redis_at_a_socket_serves_command_and_worker(start_system: StartSystem) -> None:
    password = "p@:/?;#%+ w"
    with Valkey(password=password) as valkey:
        system = start_system(followers=4, REDIS_URL=valkey.socket_url)
        worker = system.worker()

        # No beat wakes for it, so that the command's own wake came over the socket.
        told = system.send(system.simulator.openids(4))

        assert system.until_state(told["id"], "completed", timeout_s=40).calls == 1
        assert worker.stop() == 0
        assert password not in worker.output


def test_of_two_upgrades_at_once_one_works_and_one_waits(launch: Launch, database_url: str) -> None:
    env = {"DATABASE_URL": database_url}
    pair = [launch([BROADCAST, "db", "upgrade"], env=env) for _ in range(2)]

    assert [one.wait(timeout_s=60) for one in pair] == [0, 0]
    printed = [one.output for one in pair]
    assert sum("was upgraded" in text for text in printed) == 1, printed
    assert sum("already at the newest version" in text for text in printed) == 1, printed


def test_a_worker_does_not_start_without_tables_and_names_the_command(
    launch: Launch, valkey: Valkey, sqlite_url: str
) -> None:
    env = {"DATABASE_URL": sqlite_url, "REDIS_URL": valkey.url}
    worker = launch(celery("worker"), env=env)

    assert worker.wait(timeout_s=40) == 3
    assert "broadcast db upgrade" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_a_wrong_setting_ends_a_process_of_celery_with_one_line(
    launch: Launch, program: str
) -> None:
    url = "amqp://u:hunter2@127.0.0.1//?colour=red"
    process = launch(celery(program), env={"CELERY_BROKER_URL": url, "BROADCAST_LANG": "en"})

    assert process.wait(timeout_s=40) == 2

    [line] = process.output.splitlines()
    assert "CELERY_BROKER_URL" in line
    assert "(colour)" in line
    assert "hunter2" not in line
