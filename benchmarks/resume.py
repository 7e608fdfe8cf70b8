"""From the end of ``broadcast resume`` to the start of the next call, and from its start.

Each round pauses a broadcast under way, waits until its lane rests, and resumes it, with a worker
and no beat: nothing but the command wakes the lane. Bar: 0.3 s after the end of the command, on an
idle machine. If the median of the rounds is above it, the exit status is 1.
Usage: python -m benchmarks.resume [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.kit.simulator import Simulator
from tests.kit.system import System
from tests.kit.wait import until
from tests.servers.valkey import Valkey

MOST_S = 0.3
SIZE, LATENCY_MS = 10_000, 50


def main() -> None:
    """Measure and print; exit 1 above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    wanted = parser.parse_args()
    os.environ.update(beside_proxies(os.environ))
    settings = {"BROADCAST_BATCH_SIZE": "2"}
    with tempfile.TemporaryDirectory() as folder, Valkey() as valkey:
        simulator = Simulator(followers=SIZE, latency_ms=LATENCY_MS)
        with (
            simulator,
            System(Path(folder), valkey=valkey, simulator=simulator, settings=settings) as system,
        ):
            simulator.change_account(daily_limit=1_000_000, calls_per_minute=0)
            found = measure(system, rounds=wanted.rounds)
    print(f"from its end, median of {wanted.rounds}: {found:.3f} s, at most {MOST_S} allowed")
    if found > MOST_S:
        sys.exit(1)


def measure(system: System, *, rounds: int) -> float:
    """Return the median seconds from the end of the command to the next call."""
    system.worker()
    sent = system.send(system.simulator.openids(SIZE))["id"]
    after = []
    for n in range(rounds):
        system.simulator.wait_for_jobs(len(system.simulator.jobs()) + 3)
        command(system, "pause", sent)
        until(lambda: not is_driven(system), 20, "a lane that rests")
        began, ended = command(system, "resume", sent)
        until(lambda: next_call(system, began), 20, "the next call")  # noqa: B023
        at = next_call(system, began)
        after.append(at - ended)
        print(f"round {n + 1}: {at - began:.3f} s from its start, {at - ended:.3f} s from its end")
    command(system, "cancel", sent)
    return statistics.median(after)


def command(system: System, word: str, broadcast_id: str) -> tuple[float, float]:
    """Run a command by its own program; return when it began and ended (Unix time)."""
    began = time.time()
    subprocess.run(
        [str(Path(sys.executable).parent / "broadcast"), word, broadcast_id],
        env={**os.environ, **system.env},
        cwd=system.folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return began, time.time()


def is_driven(system: System) -> bool:
    """Return whether somebody has the lease of the only lane."""
    with system.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT owner FROM bc_lanes").scalar() is not None


def next_call(system: System, since: float) -> float:
    """Return when the first call after *since* began; 0 while there is none."""
    starts = [call["start"] for call in system.simulator.mass_calls() if call["start"] > since]
    return float(min(starts, default=0))


if __name__ == "__main__":
    main()
