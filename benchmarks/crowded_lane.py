"""What each step of a broadcast costs as more broadcasts of its account are open.

On SQLite, in this process: statements, instructions of SQLite (which no other load changes) and
milliseconds of a submit, a plan, a look for the next call, a call, and a sweep.
Usage: python -m benchmarks.crowded_lane [--open N …]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from broadcast.rules.plan import proof
from models.engine import open_engine
from models.every_table import Base
from models.ledger.lane import leases
from models.ledger.steer import sweeps
from tests.kit import ledger
from tests.kit.effort import Effortmeter
from tests.kit.ledger import Driver, said

_MANY = proof.Quota(daily_limit=1_000_000, used=0, remain=1_000_000)


def submit(engine: Engine) -> str:
    """Publish a broadcast of one call; return its id."""
    return ledger.published(engine, ledger.body(size=2), size=2, batches=1, quota=_MANY)


def steps(engine: Engine, driver: Driver) -> dict[str, Callable[[], object]]:
    """Return what is done for each broadcast, by name, in an order that works."""
    ids: list[str] = []
    return {
        "submit": lambda: ids.append(submit(engine)),
        "plan": lambda: ledger.planned(engine, ids.pop(), quota=_MANY),
        "next": driver.next,
        "call": lambda: driver.call(said(0, msg_id=time.monotonic_ns())),
        "sweep": lambda: sweeps.due(engine),
    }


def measure(counts: list[int], times: int) -> None:
    """Print a line a step and a number of open broadcasts."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'ledger.sqlite'}")
        meter = Effortmeter(engine)
        Base.metadata.create_all(engine)
        there = 0
        for count in counts:
            for _ in range(there, count):
                ledger.planned(engine, submit(engine), quota=_MANY)
            there = count
            driver = Driver(engine)
            for name, work in steps(engine, driver).items():
                begun = time.perf_counter()
                for _ in range(times):
                    effort = meter.of(work)
                ms = (time.perf_counter() - begun) * 1000 / times
                print(
                    f"{count:6d} open  {name:7s} {effort.statements:4d} statements"
                    f" {effort.instructions:8d} instructions {ms:8.2f} ms",
                    flush=True,
                )
            leases.release(engine, driver.lease)
        engine.dispose()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=int, nargs="+", default=[10, 100, 1_000])
    parser.add_argument("--times", type=int, default=10)
    wanted = parser.parse_args()
    measure(wanted.open, wanted.times)


if __name__ == "__main__":
    main()
