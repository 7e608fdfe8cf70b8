"""The HTTP API with the whole system: each key is one broadcast, and each follower gets it once."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import func, select

from broadcast.rules.states import Phase
from models.engine import open_engine
from models.every_table import BroadcastRow
from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.wait import patiently, until
from tests.servers.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

SEED = 20261127


def test_what_programs_submit_is_sent_once_and_reported(start_system: StartSystem) -> None:
    system = start_system(followers=40)
    people = system.simulator.openids(40)
    worker = system.worker()
    program = system.api()
    sent = program.submit(people[:20], key="inline")
    inline = sent.json()
    upload = program.ask(
        "POST",
        "/v1/broadcasts",
        {"content": api.TEXT, "audience": {"upload": True}},
        headers={"Idempotency-Key": "upload"},
    ).json()
    listed = program.ask(
        "PUT",
        f"/v1/broadcasts/{upload['id']}/audience",
        data="\n".join(people[20:]).encode(),
        headers={"Content-Type": "text/csv"},
    )
    system.until_state(inline["id"], "completed")
    system.until_state(upload["id"], "completed")
    again = program.submit(people[:20], key="inline")
    told = program.get(f"/v1/broadcasts/{inline['id']}", batch_limit=1).json()
    accepted = program.get(
        f"/v1/broadcasts/{upload['id']}/recipients", set="accepted", format="csv"
    )
    events = program.ask(
        "GET", f"/v1/broadcasts/{inline['id']}/events", headers={"Last-Event-ID": "0.0"}
    ).text.split("\n\n")

    assert listed.status_code == 201
    states = [re.search('"state":"([a-z]+)"', event) for event in events if "event: state" in event]
    assert [state and state[1] for state in states] == [
        "planning",
        "waiting",
        "sending",
        "completed",
    ]
    mark = f"request={sent.headers['X-Request-Id']}"
    tasks = [
        line.split("Task ")[1].split("[")[0]
        for line in worker.output.splitlines()
        if line.endswith(mark) and "Task " in line
    ]
    assert tasks == ["broadcast.plan"]
    assert (again.status_code, again.json()["id"]) == (200, inline["id"])
    assert told["recipients"]["accepted"] == 20
    assert told["batch_list"][0]["msg_id"] is not None
    assert {row.split(",")[0] for row in accepted.text.splitlines()[1:]} == set(people[20:])
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    plan = program.ask("POST", "/v1/plans", {"content": api.TEXT, "audience": {"openids": people}})
    assert plan.json()["quota"]["daily_limit"] == 100_000
    system.audit()


def test_a_pause_and_a_resume_by_http_stop_and_continue_the_calls(
    start_system: StartSystem,
) -> None:
    system = start_system(
        followers=40, latency_ms=200, BROADCAST_BATCH_SIZE="2", BROADCAST_LOG_FORMAT="json"
    )
    people = system.simulator.openids(40)
    worker = system.worker()
    program = system.api()
    sent = program.submit(people, key="stop")
    where = f"/v1/broadcasts/{sent.json()['id']}"
    system.simulator.wait_for_jobs(2)

    paused = program.ask("POST", f"{where}/pause", {"why": "wrong link"}).json()
    until(lambda: not system.simulator.state().get("in_flight"), 5, "the call under way to end")
    calls = len(system.simulator.mass_calls())
    halted = program.ask("POST", "/v1/accounts/default/halt").json()
    resumed = program.ask("POST", f"{where}/resume").json()
    assert len(system.simulator.mass_calls()) == calls
    program.ask("POST", "/v1/accounts/default/unhalt")
    system.until_state(paused["id"], "completed")

    assert paused["changed"]
    assert halted["changed"]
    assert {one["cause"] for one in resumed["blockers"]} == {"account_halted"}
    (stored,) = [one for one in logged(system) if one["event"] == "broadcast_stored"]
    assert stored["request"] == sent.headers["X-Request-Id"]
    assert (stored["broadcast"], stored["account"]) == (paused["id"], "default")
    log = [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]
    (planned,) = [one for one in log if one["event"] == "broadcast_planned_batches"]
    assert planned["request"] == sent.headers["X-Request-Id"]
    assert (planned["broadcast"], planned["task"]) == (paused["id"], "broadcast.plan")
    called = [one for one in log if one["event"] == "broadcast_batch_call"]
    assert sorted(one["batch"] for one in called) == [*range(1, 21)]
    assert {(one["broadcast"], one["account"], one["attempt"]) for one in called} == {
        (paused["id"], "default", 1)
    }
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)


def logged(system: System) -> list[dict[str, Any]]:
    """Return what the processes of a system logged as JSON."""
    lines = [line for one in system.processes for line in one.output.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


#: What the page of the API allows a submit more while the broker is away.
LONGER_S = 3.0


@pytest.mark.parametrize(
    "count", [60, pytest.param(1_000, marks=[pytest.mark.prove, pytest.mark.timeout(1_200)])]
)
def test_with_the_broker_away_every_submit_is_stored_in_seconds_and_sent_when_it_is_back(
    start_system: StartSystem, count: int
) -> None:
    system = start_system(followers=2 * count)
    people = system.simulator.openids(2 * count)
    away = f"redis://{LOOPBACK}:{free_port()}/0"
    program = system.api(CELERY_BROKER_URL=away)

    def submit(n: int) -> tuple[int, float]:
        began = time.monotonic()
        mine = people[2 * n : 2 * n + 2]
        told = Program(url=program.url).submit(mine, key=f"{n}", title=f"{n}")
        return told.status_code, time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(count)))
    assert {status for status, _ in answers} == {201}
    assert max(took for _, took in answers) < patiently(LONGER_S)
    system.worker()
    system.beat()
    until(
        lambda: (
            _phases(system.engine.url.render_as_string(hide_password=False)) == {Phase.ENDED: count}
        ),
        120,
        "every broadcast to end",
    )

    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)


def _phases(url: str) -> dict[Phase, int]:
    engine = open_engine(url)
    with engine.connect() as connection:
        query = select(BroadcastRow.phase, func.count()).group_by(BroadcastRow.phase)
        found = {row[0]: row[1] for row in connection.execute(query)}
    engine.dispose()
    return found


@pytest.mark.every_database
@pytest.mark.parametrize(
    "kills", [3, pytest.param(50, marks=[pytest.mark.prove, pytest.mark.timeout(1_800)])]
)
def test_a_killed_api_and_clients_that_repeat_make_one_broadcast_of_each_key(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    """Killed at any moment, under the load of programs that repeat until they are answered."""
    chance = random.Random(SEED)
    template.migrated(database_url).dispose()
    port = free_port()
    env = api.settings(database_url)
    url, done = f"http://{LOOPBACK}:{port}", threading.Event()
    keys = iter(range(1_000_000))
    answered: dict[str, set[str]] = {}

    def work() -> None:
        program = Program(url=url)
        while not done.is_set():
            key = f"key {next(keys)}"
            answered[key] = {_insisted(program, key) for _ in range(2)}

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work) for _ in range(6)]
        for _ in range(kills):
            with api.started(tmp_path, env, "--port", str(port)) as process:
                _wait_for_more(answered, chance.randint(1, 20))
                process.kill()
        with api.started(tmp_path, env, "--port", str(port)):
            done.set()
            for one in working:
                one.result(timeout=120)

    engine = open_engine(database_url)
    with engine.connect() as connection:
        stored = connection.execute(
            select(BroadcastRow.key, BroadcastRow.id).where(BroadcastRow.phase != Phase.UPLOADING)
        ).all()
    engine.dispose()
    print(f"{kills} kills, {len(answered)} keys")
    assert len(stored) == len(answered)
    assert {key: {one} for key, one in stored} == answered


def _wait_for_more(answered: dict[str, set[str]], count: int) -> None:
    """Wait until so many more keys were answered; the next ones are under way by then."""
    before = len(answered)
    until(lambda: len(answered) >= before + count, 60, f"{count} answers")


def _insisted(program: Program, key: str) -> str:
    """Submit until there is an answer; return the id."""
    while True:
        try:
            told = program.submit(api.people(20, seed=key), key=key)
        except requests.RequestException:
            time.sleep(0.05)  # The pace of a program whose server is away.
            continue
        if told.status_code in {200, 201}:
            found: str = told.json()["id"]
            return found
        assert told.status_code == 503, told.text


def test_an_upload_that_can_end_in_time_is_not_cut_by_a_shutdown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with api.started(tmp_path, api.settings(url)) as process:
        program = Program(url=api.url_of(process))
        reserved = program.ask(
            "POST",
            "/v1/broadcasts",
            {"content": api.TEXT, "audience": {"upload": True}},
            headers={"Idempotency-Key": "long"},
        ).json()
        ends = threading.Event()

        def lines() -> Iterator[bytes]:
            yield "\n".join(api.people(10, seed="first")).encode() + b"\n"
            process.signal_group(signal.SIGTERM)
            until(lambda: not _listens(program.url), 10, "the server to refuse others")
            ends.set()
            yield "\n".join(api.people(10, seed="last")).encode()

        told = program.ask(
            "PUT",
            f"/v1/broadcasts/{reserved['id']}/audience",
            data=lines(),
            headers={"Content-Type": "text/plain"},
        )

        assert ends.is_set()
        assert told.status_code == 201
        assert told.json()["audience"]["planned"] == 20
        assert process.wait(timeout_s=30) == 0


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
    except OSError:
        return False
    return True
