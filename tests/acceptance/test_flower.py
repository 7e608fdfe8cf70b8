"""Flower, which Celery brings: who logs in may look, and do nothing unless the operator says so."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from broadcast import names
from tests.kit.processes import RunningProcess, python_module
from tests.kit.wait import until
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

LOGIN = "user:word"
POSTS = [f"task/send-task/{names.ENQUEUE}", f"task/async-apply/{names.SWEEP}"]
STEERING = [
    f"worker/queue/cancel-consumer/worker0@test?queue={names.QUEUE}",
    "worker/shutdown/worker0@test",
]


def ask(url: str, body: object = None) -> int:
    """Return the status of a request with the login; *body*: as a post."""
    data = None if body is None else json.dumps(body).encode()
    login = base64.b64encode(LOGIN.encode()).decode()
    request = urllib.request.Request(url, data=data, headers={"Authorization": f"Basic {login}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(("said", "status"), [(None, 403), ("true", 403), ("false", 200)])
def test_flower_steers_nothing_and_sends_nothing_unless_the_operator_says_so(
    start_system: StartSystem, said: str | None, status: int
) -> None:
    system = start_system(followers=2)
    beaten, login = system.folder / "heartbeat", system.folder / "login"
    worker, port = system.worker(BROADCAST_HEARTBEAT_FILE=str(beaten)), free_port()
    login.write_text(f"{LOGIN}\n", "ascii")
    env = {**system.env, "FLOWER_BASIC_AUTH_FILE": str(login), "FLOWER_READ_ONLY": said}
    flower = RunningProcess(
        python_module("celery", "-A", "worker", "flower", f"--port={port}", "--address=127.0.0.1"),
        log=system.folder / "flower.log", env=env, cwd=system.folder,
    )  # fmt: skip
    system.processes.append(flower)
    api = f"http://127.0.0.1:{port}/api"
    until(lambda: ask(f"{api}/workers") == 200, 60, "an answer of Flower")

    # Where it is allowed, the worker is wanted still.
    posts = POSTS if status == 200 else POSTS + STEERING
    found = {path: ask(f"{api}/{path}", {"args": []}) for path in posts}

    assert set(found.values()) == {status}
    at = beaten.stat().st_mtime_ns
    until(lambda: beaten.stat().st_mtime_ns > at, 10, "another heartbeat of the worker")
    assert worker.exit_status is None
    assert ask(f"{api}/queues/length") == 200
