"""A million OpenIDs by ``broadcast send --wait`` and by the bare loop, in turn, in one run.

Prints the ratio pair by pair, the peak memory of producer and worker, what an idle worker weighs,
and first how long the simulator takes for a call, which is a part of both.
Usage: python -m benchmarks [--openids N] [--rounds N] [--database sqlite|postgresql|mariadb]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks import stand_in
from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.kit.simulator import Simulator
from tests.kit.system import System
from tests.kit.wait import until
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

BARE = Path(__file__).with_name("bare_loop.py")
MB = 1_000_000
SERVERS = {"postgresql": PostgreSQL, "mariadb": MariaDB}
#: Runs a command and prints its peak memory in KiB (Linux): asked in a process of its own, because
#: a child counts what its parent held when it was forked.
WATCHED = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--openids", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", *SERVERS), default="sqlite")
    wanted = parser.parse_args()
    os.environ.update(beside_proxies(os.environ))
    stand_in.measure()
    with (
        tempfile.TemporaryDirectory() as folder,
        Valkey() as valkey,
        database(wanted.database) as url,
        Simulator(followers=wanted.openids) as simulator,
        System(Path(folder), valkey=valkey, simulator=simulator, database_url=url) as system,
    ):
        simulator.change_account(daily_limit=1_000_000, calls_per_minute=0)
        # Each round sends to all of them again, which WeChat would filter after the fourth.
        simulator.set_switches(monthly_cap=0)
        measure(system, openids=wanted.openids, rounds=wanted.rounds)


@contextmanager
def database(kind: str) -> Iterator[str | None]:
    """Start the server of this kind and yield its URL; None is a file of the system's own."""
    if kind not in SERVERS:
        yield None
        return
    with SERVERS[kind]() as server:
        yield server.fresh_database()


def measure(system: System, *, openids: int, rounds: int) -> None:
    """Run the pairs on one worker."""
    file = system.folder / "followers.txt"
    lines = system.simulator.openids(openids)
    # 500 duplicates, as an export has them.
    file.write_text("\n".join(lines + lines[: min(500, openids)]) + "\n", encoding="ascii")
    del lines
    worker = psutil.Process(system.worker().pid)
    idle(worker)
    ratios = []
    for n in range(rounds):
        ours_s, peak = ours(system, file, key=f"round-{n}", openids=openids)
        bare_s = bare(system, file)
        ratios.append(ours_s / bare_s)
        print(
            f"round {n + 1}: broadcast {ours_s:.2f} s, bare loop {bare_s:.2f} s, "
            f"ratio {ratios[-1]:.2f}, producer's peak {peak / MB:.0f} MB"
        )
    print(f"ratio, median of {rounds}: {statistics.median(ratios):.2f}")
    print(f"worker's peak: {peak_rss(worker.pid) / MB:.0f} MB")
    distinct = system.simulator.ledger()["delivered_distinct"]
    print(f"simulator: {distinct:,} distinct followers reached")


def idle(worker: psutil.Process) -> None:
    """Print what a worker weighs before it has worked, children included."""
    family = [worker, *worker.children(recursive=True)]
    until(lambda: worker.cpu_percent(0.2) < 5, 20, "an idle worker")
    pss = sum(process.memory_full_info().pss for process in family)
    print(f"idle worker, {len(family)} process(es): {pss / MB:.0f} MB PSS")


def ours(system: System, file: Path, *, key: str, openids: int) -> tuple[float, int]:
    """Return the seconds from command to report, and the producer's peak memory in bytes."""
    command = [
        str(Path(sys.executable).parent / "broadcast"),
        "send",
        "--openids",
        str(file),
        "--text",
        f"基准 {key}",
        "--key",
        key,
        "--wait",
        "--json",
    ]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *command],
        env={**os.environ, **system.env},
        cwd=system.folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.perf_counter() - started
    *_, told, peak_kb = done.stdout.splitlines()
    recipients = json.loads(told)["recipients"]
    if recipients["accepted"] != openids:
        message = f"not all accepted: {recipients}"
        raise RuntimeError(message)
    return seconds, int(peak_kb) * 1024


def bare(system: System, file: Path) -> float:
    """Return the seconds of the bare loop."""
    account = system.simulator.account
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, str(BARE), str(file), system.simulator.url, account.appid, account.secret],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def peak_rss(pid: int) -> int:
    """Return the most memory a process ever had, in bytes (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
