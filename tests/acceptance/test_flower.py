"""Flower, which Celery brings: who logs in may look, and do nothing unless the operator says so."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from broadcast import names
from tests.kit.flower import LOGIN, Flower
from tests.kit.processes import python_module
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

POSTS = [f"api/task/{word}/{names.ENQUEUE}" for word in ("apply", "async-apply", "send-task")]
WORKER = "worker0@test"
STEERING = [
    *(f"api/task/{word}/some-id" for word in ("abort", "revoke")),
    *(f"api/task/{word}/{names.SWEEP}?workername={WORKER}" for word in ("timeout", "rate-limit")),
    *(f"api/worker/pool/{word}/{WORKER}" for word in ("restart", "grow", "shrink", "autoscale")),
    *(
        f"api/worker/queue/{word}/{WORKER}?queue={names.QUEUE}"
        for word in ("add-consumer", "cancel-consumer")
    ),
    f"api/worker/shutdown/{WORKER}",
]


@pytest.mark.parametrize(("said", "status"), [(None, 403), ("true", 403), ("false", 200)])
def test_flower_steers_nothing_and_sends_nothing_unless_the_operator_says_so(
    start_system: StartSystem, said: str | None, status: int
) -> None:
    system = start_system(followers=2)
    beaten, login = system.folder / "heartbeat", system.folder / "login"
    worker = system.worker(BROADCAST_HEARTBEAT_FILE=str(beaten))
    login.write_text(f"{LOGIN}\n", "ascii")
    flower = Flower(
        system, FLOWER_BASIC_AUTH=None, FLOWER_BASIC_AUTH_FILE=str(login), FLOWER_READ_ONLY=said
    )

    # Where it is allowed, the worker is wanted still.
    posts = POSTS[1:] if status == 200 else POSTS + STEERING
    found = {path: flower.ask(path, {"args": []}) for path in posts}

    assert set(found.values()) == {status}
    at = beaten.stat().st_mtime_ns
    until(lambda: beaten.stat().st_mtime_ns > at, 10, "another heartbeat of the worker")
    assert worker.exit_status is None
    assert flower.ask("api/queues/length") == 200
    assert ("stop workers" in flower.process.output) is (status == 200)
    # Also what Flower itself leaves open.
    closed = ["", "tasks", "broker", "api/tasks", "metrics", "healthcheck"]
    assert {flower.ask(path, login=False) for path in closed} == {401}
    assert {flower.ask(path) for path in closed} == {200}


def test_its_log_has_the_form_that_is_asked_for(start_system: StartSystem) -> None:
    system = start_system(followers=2, BROADCAST_LOG_FORMAT="json")

    flower = Flower(system)

    until(lambda: "Registered tasks" in flower.process.output, 30, "the lines of its start")
    lines = [json.loads(line) for line in flower.process.output.splitlines()]
    assert {line["logger"] for line in lines} >= {"flower.command"}
    assert LOGIN not in flower.process.output


def test_a_port_that_is_taken_ends_its_start_in_one_line(start_system: StartSystem) -> None:
    system = start_system(followers=2)
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [
                *python_module("celery", "-A", "worker", "flower", f"--port={port}"),
                f"--address={LOOPBACK}",
            ],
            cwd=system.folder,
            env={**os.environ, **system.env, "FLOWER_BASIC_AUTH": LOGIN},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    (line,) = ended.stderr.splitlines()
    assert f"{LOOPBACK}:{port} (Address already in use)" in line
    assert ended.returncode == 3


def test_ctrl_c_ends_it_though_its_broker_does_not_answer(start_system: StartSystem) -> None:
    system = start_system(followers=2)
    flower = Flower(system)
    system.valkey.freeze()
    try:
        flower.ask("api/workers?refresh=1")
        # By then it has asked, and asks again, that workers send their events.
        until(lambda: "Timeout reading from socket" in flower.process.output, 60, "a look in vain")
        flower.process.signal_group(signal.SIGINT)

        until(lambda: flower.process.exit_status is not None, 10, "the end of Flower")
    finally:
        system.valkey.thaw()
    assert flower.process.exit_status == 0
