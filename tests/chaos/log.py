"""The runs that were made, one line each: what `docs/proofs/random-faults.md` counts."""

from __future__ import annotations

import csv
import functools
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.trial import Outcome

COLUMNS = (
    "commit",
    "seed",
    "verdict",
    "database",
    "workers",
    "beats",
    "faults",
    "batches",
    "in_doubt",
    "calls",
    "sendalls",
    "at_rest_after_s",
)


def append(file: Path, outcome: Outcome) -> None:
    """Add a run to *file*, with the commit that ran; a new file gets the names of the columns."""
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(_row(outcome))


def _row(outcome: Outcome) -> tuple[object, ...]:
    drawn = outcome.schedule
    return (
        _commit(),
        drawn.seed,
        "kept" if outcome.good else "BROKEN",
        drawn.database,
        drawn.workers,
        drawn.beats,
        len(drawn.faults),
        sum(outcome.states.values()),
        max(outcome.doubts, outcome.states.get("in_doubt", 0)),
        outcome.calls,
        outcome.sendalls,
        f"{outcome.recovery_s:.1f}",
    )


@functools.cache
def _commit() -> str:
    """Return the commit of the code that runs; marked where files differ from it."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    here = Path(__file__).parent
    done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
