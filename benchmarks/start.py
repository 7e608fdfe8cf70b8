"""What a command costs before it does anything: its start, in units of ``import sqlalchemy.orm``.

Each round runs ``broadcast --help``, ``broadcast status`` (one ended broadcast, SQLite) and Python
with that import alone, in turn; of each the least CPU time counts. Bars: 1.0 for the help, 1.9 for
the status. Above one of them the exit status is 1.
Usage: python -m benchmarks.start [--rounds N]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.kit import ledger, template
from tests.kit.command_line import CommandLine
from tests.kit.commands import PROGRAM

UNIT: Final = [sys.executable, "-c", "import sqlalchemy.orm"]
#: The most that a command may cost.
BARS: Final = {"--help": 1.0, "status": 1.9}


def main() -> None:
    """Measure and print; exit 1 above a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        line = CommandLine(Path(folder))
        template.lay(line.database)
        with line.ledger() as engine:
            ledger.ended(engine)
        unit, *each = measure(line, rounds=wanted.rounds)
    print(f"import sqlalchemy.orm: {unit:.3f} s")
    ratios = {word: seconds / unit for word, seconds in zip(BARS, each, strict=True)}
    for word, ratio in ratios.items():
        print(f"broadcast {word}: {ratio:.2f} of it, at most {BARS[word]} allowed")
    if any(ratio > BARS[word] for word, ratio in ratios.items()):
        sys.exit(1)


def measure(line: CommandLine, *, rounds: int) -> list[float]:
    """Return the least CPU seconds of the unit and of each command."""
    commands = [UNIT, *([PROGRAM, word] for word in BARS)]
    # The first round compiles every module; the others find it compiled, as an installed one is.
    taken = [[cpu_seconds(command, line) for command in commands] for _ in range(1 + rounds)]
    return [min(each) for each in zip(*taken[1:], strict=True)]


def cpu_seconds(command: list[str], line: CommandLine) -> float:
    """Run a command to its end; return what it took of a processor."""
    compiled = {
        "PYTHONDONTWRITEBYTECODE": None,
        "PYTHONPYCACHEPREFIX": str(line.folder / "compiled"),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        env=line.environment(compiled),
        cwd=line.folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
