"""Workers, beats and messages that misbehave: twice, late, asleep, of another time or version."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from sqlalchemy import select

from broadcast import names
from broadcast.rules.calls.outcomes import Outcome
from models.batch_tables import AttemptRow, Batch
from tests.acceptance.recovery import Traffic, everybody_lives, start_all
from tests.kit.endpoints import MASS_SEND
from tests.kit.system import WORKER
from tests.kit.wait import until
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey


@contextlib.contextmanager
def broker_of(valkey: Valkey) -> Iterator[Celery]:
    """Another program that publishes to the workers' queue."""
    app = Celery("tests", broker=valkey.url, set_as_current=False)
    app.conf.update(task_default_queue=names.QUEUE)
    with contextlib.closing(app):
        yield app


def attempts(system: System, traffic: Traffic) -> list[tuple[int, int, Outcome | None]]:
    """(batch, number, outcome) of every attempt, in the order of the claims.

    What a busy machine claimed and was too late to call is left out, and counted nowhere.
    """
    query = (
        select(Batch.n, AttemptRow.outcome)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == traffic.id)
        .order_by(AttemptRow.id)
    )
    with system.engine.connect() as connection:
        made = [(n, outcome) for n, outcome in connection.execute(query)]
    called = [(n, outcome) for n, outcome in made if outcome is not Outcome.NOT_CALLED]
    of_batch = Counter[int]()
    told: list[tuple[int, int, Outcome | None]] = []
    for n, outcome in called:
        of_batch[n] += 1
        told.append((n, of_batch[n], outcome))
    return told


def in_flight(system: System, fault: int) -> None:
    """Wait until WeChat has the call that the fault makes slow."""
    until(
        lambda: next(f["fired"] for f in system.simulator.faults() if f["number"] == fault),
        30,
        "the slow call in flight",
    )


# Many of everything


def test_two_beats_many_sweeps_and_five_workers_send_everything_once(
    start_system: StartSystem, valkey: Valkey
) -> None:
    # Calls long enough for three lanes to be seen in flight together on a machine that is busy.
    system = start_system(followers=60, accounts=3, latency_ms=100)
    traffic = [Traffic(system, batches=30, of=account) for account in system.simulator.accounts]
    with broker_of(valkey) as app:
        for _ in range(10):
            app.send_task(names.SWEEP)
        start_all(system, workers=5, beats=2)
        while (seen := sum(one.calls() for one in traffic)) < 3 * 30:
            app.send_task(names.SWEEP)
            app.send_task(names.LAUNCH_DUE)
            until(lambda: sum(one.calls() for one in traffic) > seen, 60, "calls")

    for one in traffic:
        one.ends_whole()
    everybody_lives(system)
    assert system.simulator.max_accounts_in_flight() == 3


def test_messages_that_come_five_times_and_in_no_order_wake_and_no_more(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=40, latency_ms=20)
    traffic = Traffic(system, batches=20)
    with broker_of(valkey) as app:

        def five_times() -> None:
            """Every message of this broadcast's life, the last ones first."""
            for _ in range(5):
                app.send_task(names.POLL_ACCOUNT, args=["default"])
                app.send_task(names.SEND_BATCH, args=["default", traffic.id])
                app.send_task(names.POLL_RESULTS)
                app.send_task(names.PLAN, args=[traffic.id])
                app.send_task(names.REFRESH_TOKEN, kwargs={"only_expiring": True})

        five_times()
        workers = [system.worker(ready=False) for _ in range(2)]
        # A wake-up may come while the former driver has looked its last, and not yet let go.
        beat = system.beat()
        traffic.wait_for_calls(2)
        five_times()
        traffic.ends_whole()
        five_times()
        assert beat.stop() == 0
        with valkey.client() as client:
            until(lambda: not client.llen(names.QUEUE), 30, "all messages read")

    assert all(worker.stop() == 0 for worker in workers)
    traffic.ends_whole()
    assert [number for _, number, _ in attempts(system, traffic)] == [1] * 20


def test_worker_that_lacks_the_account_keeps_no_wake_from_the_one_that_has_it(
    start_system: StartSystem, tmp_path: Path
) -> None:
    """The one that sweeps stands last in the broker's line: its own wake comes to the other."""
    system = start_system(followers=20)
    older = tmp_path / "older.toml"
    older.write_text(f'[accounts.other]\nappid = "wx{9:016d}"\nappsecret = "{9:032d}"\n', "utf-8")
    system.worker()
    system.worker(BROADCAST_ACCOUNTS_FILE=str(older))
    system.beat()
    traffic = Traffic(system, batches=5)
    traffic.ends_whole()


def test_messages_of_another_version_are_dropped_with_one_line_each(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=10)
    worker = system.worker()
    with broker_of(valkey) as app:
        app.send_task("broadcast.send_batch_v0", args=["hidden-in-the-body"])
        app.send_task(names.SEND_BATCH, args=["default"])
        app.send_task(names.SEND_BATCH, args=["default", "b", "hidden-in-the-body"])
        app.send_task(names.PLAN, kwargs={"broadcast_id": "b", "shard": 3})
        app.send_task(names.PLAN, args=["b"], kwargs={"forward_count": "hidden-in-the-body"})
        app.send_task(names.PLAN, args=["no-such-broadcast"])
        with app.connection() as connection, connection.Producer() as producer:
            publish = partial(
                producer.publish,
                routing_key=names.QUEUE,
                content_type="application/json",
                content_encoding="utf-8",
            )
            publish("{'hidden-in-the-body", headers={"task": names.PLAN, "id": "1"})
            publish('{"hidden-in-the-body": 1}')
            publish("null", headers={"task": names.PLAN, "id": "1"})
            publish('[["b"], {}, {}]', headers={"task": names.PLAN, "id": ["hidden-in-the-body"]})
    with valkey.client() as client:
        client.lpush(names.QUEUE, "hidden-in-the-body")
    worker.wait_for_line("message dropped: ", times=10)

    traffic = Traffic(system, batches=5)
    system.beat()
    traffic.ends_whole()
    assert worker.stop() == 0
    lines = [line for line in worker.output.splitlines() if "message dropped" in line]
    assert sorted(line.partition("message dropped: ")[2] for line in lines) == [
        "broadcast.plan: forward_count is str, not int",
        "broadcast.plan: got an unexpected keyword argument 'shard'",
        "broadcast.send_batch: missing a required argument: 'broadcast_id'",
        "broadcast.send_batch: too many positional arguments",
        "id is list, not str",
        "it cannot be read: DecodeError",
        "it is no message of kombu's: JSONDecodeError",
        "it names no task",
        "its body is no triple of args, kwargs and embed",
        "no task 'broadcast.send_batch_v0'",
    ]
    assert "Traceback" not in worker.output
    assert "hidden-in-the-body" not in worker.output


# Another clock

#: Shifts what the C library says of the time of day; how long something takes is not touched.
SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += SHIFT_S;
    return status;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec; now->tv_usec = real.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    if (out) *out = real.tv_sec;
    return real.tv_sec;
}
"""


def another_clock(folder: Path, seconds: int) -> str:
    """A library that puts the time of day of a process so many seconds off."""
    compiler = shutil.which("cc")
    if compiler is None or os.uname().sysname != "Linux":
        not_proved("a worker whose clock is off", "no C compiler, or not Linux")
    library, source = folder / f"shift{seconds}.so", folder / "shift.c"
    source.write_text(SHIFT, encoding="ascii")
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-DSHIFT_S=({seconds})", "-o", library, source, "-ldl"],
        check=True,
    )
    return str(library)


@pytest.mark.parametrize(
    "minutes", [pytest.param(each, marks=pytest.mark.prove) for each in (120, 10, -10, -120)]
)
def test_worker_whose_clock_is_off_goes_on_with_what_was_left_behind(
    postgresql_url: str, start_system: StartSystem, tmp_path: Path, minutes: int
) -> None:
    # The database is on another machine, whose clock decides; beat's clock is right as well.
    system = start_system(followers=120, latency_ms=200, database_url=postgresql_url)
    clock = another_clock(tmp_path, 60 * minutes)
    right = system.worker()
    traffic = Traffic(system, batches=60)
    system.beat()
    traffic.wait_for_calls(2)
    # Two drivers of one lane that disagree about the time.
    wrong = system.worker(LD_PRELOAD=clock)
    traffic.wait_for_calls(5)

    right.kill()
    traffic.recovers(f"a worker killed, the one left is {minutes:+d} minutes off")

    system.simulator.set_switches(latency_ms=0)
    traffic.ends_whole()
    assert wrong.exit_status is None
    told = re.search(r"This machine's clock is (\d+) s", wrong.output)
    assert told is not None
    assert abs(int(told[1]) - abs(minutes) * 60) <= 2


# A worker that sleeps, and one that is told to end


@pytest.mark.parametrize(
    "taken", [True, pytest.param(False, marks=pytest.mark.prove)], ids=["before", "after"]
)
def test_worker_stopped_in_mid_call_past_its_lease_wakes_up_to_a_lane_that_went_on(
    start_system: StartSystem, *, taken: bool
) -> None:
    system = start_system(followers=20, BROADCAST_WAIT_SCALE="0.05")
    # WeChat takes the batch before the reply is late, or has the request and takes it late.
    slow = system.simulator.fault(
        "slow", when="after" if taken else "before", path=MASS_SEND, seconds=4, skip=1, count=1
    )
    sleeper = system.worker()
    traffic = Traffic(system, batches=10)
    system.beat()
    in_flight(system, slow)

    sleeper.freeze()
    asleep = time.monotonic()
    system.worker()
    traffic.recovers("a worker stopped in mid-call, its lease runs out")
    until(lambda: traffic.system.report(traffic.id).state == "completed", 60, "the end")
    before = attempts(system, traffic)
    sleeper.thaw()
    until(lambda: attempts(system, traffic) != before, 40, "the sleeper's own record")

    print(f"woken after {time.monotonic() - asleep:.0f} s")
    traffic.ends_whole()
    assert before[1] == (2, 1, None)
    after = attempts(system, traffic)
    assert after[1] in {(2, 1, Outcome.ACCEPTED), (2, 1, Outcome.UNKNOWN)}
    assert after[2][:2] == (2, 2)
    assert len(after) == len(before)
    assert sleeper.stop(timeout_s=40) == 0


def test_sigterm_in_mid_call_waits_for_its_reply_and_stores_it(start_system: StartSystem) -> None:
    system = start_system(followers=20)
    slow = system.simulator.fault("slow", when="after", path=MASS_SEND, seconds=3, skip=1, count=1)
    worker = system.worker()
    traffic = Traffic(system, batches=10)
    system.beat()
    in_flight(system, slow)

    worker.terminate()
    assert worker.wait(timeout_s=30) == 0
    assert attempts(system, traffic) == [(1, 1, Outcome.ACCEPTED), (2, 1, Outcome.ACCEPTED)]
    since = time.time()
    system.worker()
    traffic.wait_for_calls(1)
    print(f"recovery: SIGTERM in mid-call, next worker: {time.time() - since:.1f} s with its start")
    traffic.ends_whole()
    assert [number for _, number, _ in attempts(system, traffic)] == [1] * 10


@pytest.mark.prove
def test_soft_shutdown_ends_after_the_call_however_short_it_is(start_system: StartSystem) -> None:
    system = start_system(followers=20)
    slow = system.simulator.fault("slow", when="after", path=MASS_SEND, seconds=4, skip=1, count=1)
    # As `worker_soft_shutdown_timeout` in the settings: a second, and the reply comes after four.
    words = (*WORKER, "-l", "INFO", "--", "worker.soft_shutdown_timeout=1")
    worker = system._start("soft", words, {"REMAP_SIGTERM": "SIGQUIT"})
    worker.wait_for_line(" ready.", timeout_s=30)
    traffic = Traffic(system, batches=10)
    system.beat()
    in_flight(system, slow)

    worker.terminate()
    worker.wait(timeout_s=30)
    worker.wait_for_line("Initiating Soft Shutdown, terminating in 1")

    assert attempts(system, traffic) == [(1, 1, Outcome.ACCEPTED), (2, 1, Outcome.ACCEPTED)]
    system.worker()
    traffic.recovers("soft shutdown in mid-call, a new worker is ready")
    traffic.ends_whole()
    assert [number for _, number, _ in attempts(system, traffic)] == [1] * 10


@pytest.mark.parametrize("grace_s", [2.0, pytest.param(10.0, marks=pytest.mark.prove)])
def test_container_that_kills_after_its_grace_leaves_an_attempt_that_is_asked_again(
    start_system: StartSystem, grace_s: float
) -> None:
    system = start_system(followers=20, BROADCAST_WAIT_SCALE="0.05")
    slow = system.simulator.fault(
        "slow", when="after", path=MASS_SEND, seconds=grace_s + 15, skip=1, count=1
    )
    worker = system.worker()
    traffic = Traffic(system, batches=10)
    system.beat()
    in_flight(system, slow)

    worker.terminate()
    ended = time.monotonic() + grace_s
    until(lambda: time.monotonic() > ended, 2 * grace_s, "the end of the grace")
    assert worker.exit_status is None
    worker.kill()

    assert attempts(system, traffic) == [(1, 1, Outcome.ACCEPTED), (2, 1, None)]
    system.worker()
    traffic.recovers(f"SIGKILL {grace_s:g} s after SIGTERM, as a container does it")
    traffic.ends_whole()
    assert attempts(system, traffic)[1:3] == [(2, 1, None), (2, 2, Outcome.ALREADY_ACCEPTED)]
