"""``make chaos [SEED=…] [RUNS=…] [MINUTES=…]``: runs from one seed on, and a figure at the end.

Exit status 1 when a promise was broken: the seed, its schedule and the history of the batch are
printed, and the same seed makes the same schedule again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.chaos import log
from tests.chaos.side_by_side import run_all
from tests.chaos.trial import Outcome


def main() -> int:
    """Run and print."""
    # A container has none, and /tmp will do.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    os.environ.update(beside_proxies(os.environ))
    wanted = _arguments()
    first = wanted.seed if wanted.seed is not None else random.randrange(10**6)
    again = "" if wanted.runs is None else f" RUNS={wanted.runs}"
    print(f"seeds from {first} on; this run again: make chaos SEED={first}{again}")
    outcomes: list[Outcome] = []
    for outcome in run_all(_seeds(first, wanted), sites=wanted.side_by_side):
        outcomes.append(outcome)
        _tell(outcome)
        if wanted.log is not None:
            log.append(wanted.log, outcome)
    return _sum_up(outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="first seed; the next run takes the next number")
    parser.add_argument("--runs", type=int, help="10 unless --minutes is given")
    parser.add_argument("--minutes", type=float, help="start no run after so many")
    parser.add_argument("--side-by-side", type=int, default=3, help="runs at once")
    parser.add_argument("--log", type=Path, help="append a line a run to this CSV file")
    wanted = parser.parse_args()
    if wanted.runs is None and wanted.minutes is None:
        wanted.runs = 10
    return wanted


def _seeds(first: int, wanted: argparse.Namespace) -> Iterator[int]:
    ends_s = time.monotonic() + wanted.minutes * 60 if wanted.minutes else float("inf")
    seeds = itertools.islice(itertools.count(first), wanted.runs)
    return itertools.takewhile(lambda _: time.monotonic() < ends_s, seeds)


def _tell(outcome: Outcome) -> None:
    print(outcome, flush=True)
    if not outcome.good:
        print(outcome.schedule, *outcome.findings, sep="\n", flush=True)


def _sum_up(outcomes: list[Outcome]) -> int:
    broken = sorted(outcome.schedule.seed for outcome in outcomes if not outcome.good)
    faults = sum(len(outcome.schedule.faults) for outcome in outcomes)
    recovery = [outcome.recovery_s for outcome in outcomes] or [0.0]
    print(
        f"{len(outcomes)} runs, {faults} faults, {sum(o.calls for o in outcomes)} calls; "
        f"at rest after {statistics.median(recovery):.1f} s (median), {max(recovery):.1f} s (most)"
    )
    print(f"sends to WeChat's own lists: {sum(outcome.sendalls for outcome in outcomes)}")
    doubts = sum(outcome.doubts for outcome in outcomes)
    batches = sum(sum(outcome.states.values()) for outcome in outcomes)
    share = 100 * doubts / max(1, batches)
    print(f"in doubt, and settled by a person: {doubts} of {batches} batches ({share:.1f} %)")
    print(f"broken: {len(broken)}" + (f", seeds {broken}" if broken else ""))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
