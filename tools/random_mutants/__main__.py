"""Random mutants: how many small changes of the rules and of the ledger does the suite notice?

Draws mutants by a seed, plants each in a scratch copy of the project, and runs the tests that reach
its line, the fastest first, until one fails. Prints what became of each, and the kill rate.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tools.random_mutants import reach, report, trial
from tools.random_mutants.pick import Mutant, pick
from tools.random_mutants.trial import Bench, Limits, Outcome, Trial

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".venv" / "random-mutants"


def main(words: Sequence[str]) -> None:
    """Do it."""
    asked = _parser().parse_args(words)
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    picked = pick(ROOT, seed=seed, count=asked.count)
    if asked.only:
        picked = [one for one in picked if {one.where, one.file} & {*asked.only}]
    if asked.show:
        for one in picked:
            print(f"{one.where} {one.kind}: {one.told}")
        return
    limits = Limits(seconds=asked.seconds, clock=asked.seconds * asked.patience)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="random-mutants-") as folder:
        copies = [Path(folder) / str(n) / "project" for n in range(asked.j)]
        for copy in copies:
            trial.copy(ROOT, copy)
        outcomes = _run(_trials(picked, copies[0]), copies, limits=limits, kept=asked.results)
    print(report.summary(outcomes))
    print(f"seed {seed}, {time.monotonic() - began:.0f} s")


def _trials(picked: list[Mutant], copy: Path) -> list[Trial]:
    """Return what is to be run for each mutant, by a map of this tree."""
    tree = KEPT / reach.digest(copy)
    if not (tree / "seconds.json").exists():
        print("Measuring which test reaches which line ...", flush=True)
        reach.take(copy, tree)
    known = reach.Reach(copy, tree)
    print(f"{len(picked)} mutants, {len(known.seconds)} tests", flush=True)
    trials = []
    for one in picked:
        tests = known.tests_of(one.file, one.lines)
        function = known.function_of(one.file, one.lines) if tests else None
        trials.append(Trial(mutant=one, function=function, tests=tests or list(trial.FALLBACK)))
    return trials


def _run(
    trials: list[Trial], copies: list[Path], *, limits: Limits, kept: Path | None
) -> list[Outcome]:
    with ThreadPoolExecutor(len(copies)) as pool:
        benches = list(pool.map(Bench, copies))
        free: queue.Queue[Bench] = queue.Queue()
        for bench in benches:
            free.put(bench)

        def one(given: Trial) -> Outcome:
            bench = free.get()
            try:
                done = bench.run(given, limits)
            finally:
                free.put(bench)
            print(report.line(done), flush=True)
            if kept is not None:
                with kept.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(report.row(done), ensure_ascii=False) + "\n")
            return done

        outcomes = list(pool.map(one, trials))
        # A kill is taken back where its test fails without the mutant, too.
        false = benches[0].failing(sorted({one.killer for one in outcomes if "::" in one.killer}))
        for bench in benches:
            bench.close()
    for test in sorted(false):
        print(f"fails without a mutant, too: {test}", file=sys.stderr)
    return [replace(one, killer="") if one.killer in false else one for one in outcomes]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="random-mutants", description=__doc__)
    parser.add_argument("--seed", type=int, help="draw the mutants of this seed again")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("-j", type=int, default=os.cpu_count(), help="so many at a time")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of processors, for the tests of one mutant"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=1,
        help="so many seconds of the clock for each of these: more than 1 on a busy machine",
    )
    parser.add_argument("--only", nargs="+", metavar="FILE[:LINE]", help="of those drawn")
    parser.add_argument("--show", action="store_true", help="the mutants drawn; run none")
    parser.add_argument("--results", type=Path, help="add what became of each, a line of JSON")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
