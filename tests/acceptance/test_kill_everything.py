"""kill -9, again and again and of everything at once: whole in the end, and soon on its way again.

Moments are drawn from a seed, which is printed; TESTS_SEED=… draws the same ones again.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.acceptance.conftest import UNLIMITED, of
from tests.acceptance.recovery import SOON_S, Traffic, everybody_lives, start_all
from tests.kit.endpoints import MASS_SEND
from tests.kit.processes import RunningProcess
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

BROADCAST = str(Path(sys.executable).parent / "broadcast")
MANY = 300_000
BATCH = 1_000
BATCHES = MANY // BATCH
KILLS = 20
#: A lease: some kills meet a lane under way, others one that waits for the last lease to end.
LONGEST_PEACE_S = 6.0
ALREADY_ACCEPTED = 45065


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """One that keeps its data over a kill, as that of `broadcast up` does."""
    with Valkey(on_disk=True) as server:
        yield server


@pytest.fixture
def chance() -> random.Random:
    """Where the moments come from."""
    seed = int(os.environ.get("TESTS_SEED") or random.randrange(10**6))
    print(f"TESTS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database; None is the system's own SQLite.

    A test names it before `start_system`, so that it outlives the system.
    """
    database: str = request.param
    return None if database == "sqlite" else str(request.getfixturevalue(f"{database}_url"))


def pass_by(seconds: float) -> None:
    """Let so much time pass: what is to happen then happens at a moment of chance."""
    over = time.monotonic() + seconds
    until(lambda: time.monotonic() >= over, seconds + 5, f"the end of {seconds:g} s")


# Twenty kills, and replies that are lost


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_twenty_kills_and_a_tenth_of_the_replies_lost_leave_300_000_exactly_once(
    url: str | None, chance: random.Random, start_system: StartSystem
) -> None:
    system = start_system(
        followers=MANY,
        latency_ms=150,
        database_url=url,
        BROADCAST_BATCH_SIZE=str(BATCH),
        BROADCAST_WAIT_SCALE="0.05",
    )
    lose_a_tenth(system, chance)
    start_all(system)
    openids = system.simulator.openids(MANY)
    sent = system.send(openids)["id"]

    began = time.monotonic()
    kill_one_by_one(system, chance)
    assert system.report(sent).recipients["waiting"], "it was over before the last kill"
    until(lambda: system.report(sent).batches["finished"] == BATCHES, 300, "the last result")
    took_s = time.monotonic() - began

    told = json.loads(system.broadcast("status", sent, "--json").stdout.splitlines()[-1])
    calls = system.simulator.mass_calls()
    assert_adds_up(told)
    assert_agrees(told, calls, system.simulator.jobs())
    delivered = system.simulator.ledger_dump()
    assert set(delivered) == set(openids)
    assert set(delivered.values()) == {1}
    assert system.simulator.max_in_flight() == 1
    lost = sum(fault["fired"] for fault in system.simulator.faults())
    repeats = sum(call["errcode"] == ALREADY_ACCEPTED for call in calls)
    print(
        f"{system.engine.name}: {KILLS} kills, {lost} replies lost, {len(calls)} calls,"
        f" {repeats} of them answered 45065, {told['calls'] - len(calls)} never made;"
        f" {took_s:.0f} s"
    )
    assert lost == BATCHES / 10


def lose_a_tenth(system: System, chance: random.Random) -> None:
    """Lose the replies to a tenth of the batches, drawn by chance, after WeChat took them."""
    for before, place in enumerate(sorted(chance.sample(range(BATCHES), BATCHES // 10))):
        # A fault does not see the calls that those before it have hit.
        system.simulator.fault("drop", when="after", path=MASS_SEND, count=1, skip=place - before)


def kill_one_by_one(system: System, chance: random.Random) -> None:
    """SIGKILL to either worker ten times, at moments and in an order of chance."""
    _, *workers = system.processes
    blows = [0, 1] * (KILLS // 2)
    chance.shuffle(blows)
    for whom in blows:
        pass_by(chance.uniform(0, LONGEST_PEACE_S))
        workers[whom].kill()
        workers[whom] = system.again(workers[whom])


def assert_adds_up(told: dict[str, Any]) -> None:
    """Every figure of the report, each held against the others."""
    nobody = {"refused": 0, "cancelled": 0, "in_doubt": 0, "waiting": 0}
    skipped = {name for name in told["audience"] if name not in {"read", "planned"}}
    assert told["state"] == "completed"
    assert told["error"] is None
    assert told["audience"] == {"read": MANY, "planned": MANY, **dict.fromkeys(skipped, 0)}
    assert told["recipients"] == {"accepted": MANY, **nobody}
    assert told["batches"] == {"total": BATCHES, "accepted": BATCHES, "finished": BATCHES, **nobody}
    lines = told["batch_list"]
    assert [line["n"] for line in lines] == list(range(1, BATCHES + 1))
    assert sum(line["size"] for line in lines) == MANY
    assert {line["state"] for line in lines} == {"finished"}
    assert sum(line["attempts"] for line in lines) >= told["calls"] >= BATCHES
    assert told["created_at"] <= told["started_at"] <= told["finished_at"]


def assert_agrees(
    told: dict[str, Any], calls: Sequence[dict[str, Any]], jobs: Sequence[dict[str, Any]]
) -> None:
    """The report against what WeChat's stand-in saw."""
    lines = {line["msg_id"]: line for line in told["batch_list"]}
    assert len(jobs) == BATCHES
    assert {job["msg_id"]: job["size"] for job in jobs} == {
        msg_id: line["size"] for msg_id, line in lines.items()
    }
    seen = Counter(call["clientmsgid"] for call in calls if call["clientmsgid"])
    attempts = {job["clientmsgid"]: lines[job["msg_id"]]["attempts"] for job in jobs}
    assert set(seen) == set(attempts)
    assert all(seen[key] <= attempts[key] for key in seen), "a call that the ledger does not know"
    # A worker that died between its claim and its call wrote down a call that was never made.
    assert 0 <= told["calls"] - len(calls) <= KILLS


# Everything at once


@pytest.mark.parametrize(
    ("url", "trials"),
    [
        ("sqlite", 1),
        pytest.param("sqlite", 6, marks=pytest.mark.prove),
        pytest.param("postgresql", 2, marks=pytest.mark.prove),
    ],
    indirect=["url"],
)
def test_a_call_follows_within_15_seconds_when_everything_was_killed_at_once_and_started_again(
    url: str | None, trials: int, valkey: Valkey, chance: random.Random, start_system: StartSystem
) -> None:
    system = start_system(followers=100 + 200 * trials, latency_ms=250, database_url=url)
    traffic = Traffic(system, batches=50 + 100 * trials)
    start_all(system)
    traffic.wait_for_calls(1)

    for trial in range(trials):
        empty = trial % 2 == 0
        after_s = chance.uniform(0, 8 if trials > 1 else 2)
        pass_by(after_s)
        kill_everything(system, valkey)
        began = time.time()
        if empty:
            valkey.lose_data()
        valkey.start()
        for process in list(system.processes):
            system.again(process)
        found = "empty" if empty else "with its data"
        traffic.recovers(
            f"{system.engine.name}: everything killed after {after_s:.2f} s, Valkey {found}",
            since=began,
        )

    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    traffic.ends_whole(timeout_s=120)


def kill_everything(system: System, valkey: Valkey) -> None:
    """SIGKILL to Valkey, every worker and beat, before anybody hears of it."""
    valkey.process.signal_group(signal.SIGKILL)
    system.kill_all()
    valkey.kill()


# `broadcast up`


@pytest.mark.prove
def test_up_whose_process_group_is_killed_leaves_nothing_behind_and_goes_on_when_started_again(
    installation: Path, chance: random.Random, tmp_path: Path
) -> None:
    count, trials = 1_200, 5
    with Simulator(followers=count, latency_ms=250) as simulator:
        simulator.change_account(None, **UNLIMITED)
        env = of(
            installation,
            WECHAT_APPID=simulator.account.appid,
            BROADCAST_BATCH_SIZE="2",
            WECHAT_APPSECRET=simulator.account.secret,
            WECHAT_API_BASE=simulator.url,
            WECHAT_CALLS_PER_MINUTE="0",
            BROADCAST_LANG="en",
        )

        def start(command: Sequence[str], name: str) -> RunningProcess:
            return RunningProcess([BROADCAST, *command], log=tmp_path / name, env=env, cwd=tmp_path)

        file = tmp_path / "list.txt"
        file.write_text("\n".join(simulator.openids(count)), encoding="ascii")
        with contextlib.ExitStack() as stack:
            up = stack.enter_context(start(["up"], "up.log"))
            up.wait_for_line("Running for: default", timeout_s=60)
            send = stack.enter_context(
                start(["send", "--openids", str(file), "--text", "您好"], "send.log")
            )
            assert send.wait(timeout_s=60) == 0, send.output
            for _ in range(trials):
                next_call(simulator, time.time())
                after_s = chance.uniform(0, 8)
                pass_by(after_s)
                parts = up.family()
                assert len(parts) >= 4
                up.kill()
                until(lambda: not any(map(_lives, parts)), 5, "its parts to die with it")  # noqa: B023
                began = time.time()
                up = stack.enter_context(up.again())
                took_s = next_call(simulator, began)
                print(f"recovery: `up` killed after {after_s:.2f} s: {took_s:.1f} s")
                assert took_s < SOON_S
            simulator.set_switches(latency_ms=0)
            until(lambda: simulator.ledger()["deliveries"] >= count, 120, "everybody's message")
            audit = stack.enter_context(start(["audit", "--all"], "audit.log"))
            assert audit.wait(timeout_s=60) == 0, audit.output
            up.terminate()
            assert up.wait(timeout_s=60) == 128 + signal.SIGTERM
        assert simulator.ledger() == {
            "delivered_distinct": count,
            "deliveries": count,
            "delivered_max": 1,
            "doubled": 0,
        }


def next_call(simulator: Simulator, since: float) -> float:
    """Wait for the first call that began after a moment; return how long after."""

    def began() -> list[float]:
        return [call["start"] for call in simulator.mass_calls() if call["start"] > since]

    return min(until(began, 3 * SOON_S, "a call")) - since


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
