"""A trial: one mutant, planted in a scratch copy, and the tests that reach it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tools.random_mutants import serving
from tools.random_mutants.pick import Mutant
from tools.random_mutants.reach import PYTEST, TESTS

#: Of a mutant whose module is imported anew, the first tests are of so few files: most need no
#: more, and each file takes time to import.
FIRST_FILES = 8
#: For lines that no test of the map reaches: processes that send, and what they leave behind.
FALLBACK = (
    "tests/acceptance/test_delivery.py",
    "tests/acceptance/test_controls.py",
    "tests/acceptance/test_results.py",
    "tests/acceptance/test_audit.py",
)
LOOK_S = 0.1
END_S = 20
#: A module that is imported for so long never ends.
BEGIN_S = 600
_TIMES = itertools.count(1_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long the tests of one mutant may take: *seconds* of processors, and *clock* seconds."""

    seconds: float
    clock: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A mutant, the function that it changes (None: what is run at the import), and its tests."""

    mutant: Mutant
    function: tuple[str, int] | None
    tests: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    #: The test that failed, or what else did. Empty: the mutant survived.
    killer: str
    #: What the test said, or the end of it.
    said: str
    #: Whether the limit came before all tests had run.
    cut: bool
    ran: int
    of: int
    cpu_s: float
    clock_s: float


class Spent:
    """Seconds that the tests of one mutant have taken so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began = time.monotonic()
        self._before = self._now = 0.0

    @property
    def cpu_s(self) -> float:
        """Of processors, by all processes."""
        return self._before + self._now

    @property
    def clock_s(self) -> float:
        """Of the clock."""
        return time.monotonic() - self._began

    def begin(self) -> None:
        """Count another process from now on."""
        self._before, self._now = self.cpu_s, 0.0

    def look(self, process: psutil.Process) -> bool:
        """Return whether there is time left, *process* and its children being what runs now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            self._now = max(self._now, sum(_cpu_s(one) for one in family))
        return self.cpu_s < self._limits.seconds and self.clock_s < self._limits.clock


class Server:
    """A pytest in a scratch copy that has collected tests and forks for each trial."""

    def __init__(self, copy: Path, files: Sequence[str]) -> None:
        answers, answering = os.pipe()
        log = copy.with_suffix(".log").open("ab")
        self._copy = copy
        self._process = subprocess.Popen(
            [*PYTEST, "-s", "-p", "no:xdist", "-p", serving.__name__, *files],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), serving.ANSWERS: str(answering)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[answering],
            text=True,
        )
        os.close(answering)
        log.close()
        self._answers = os.fdopen(answers)
        #: Whether every test file could be imported.
        self.is_ready = self._begins()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._answers.close()
        self._process.wait()

    def _begins(self) -> bool:
        if not select.select([self._answers], [], [], BEGIN_S)[0]:
            self._process.kill()
        return self._answers.readline() == "ready\n"

    def run(
        self,
        file: str,
        function: tuple[str, int] | None,
        tests: Sequence[str],
        *,
        spent: Spent,
        maxfail: int = 1,
    ) -> tuple[list[str], int | None]:
        """Run tests in a fork; return what each said and the status, None at the limit."""
        ran = self._copy.with_suffix(".ran")
        ran.write_text("", "utf-8")
        order = {
            "file": str(self._copy / file),
            "function": function,
            "tests": list(tests),
            "ran": str(ran),
            "maxfail": maxfail,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        in_time = _wait(int(self._answers.readline()), spent)
        status = int(self._answers.readline())
        return ran.read_text("utf-8").splitlines(), status if in_time else None


class Bench:
    """A scratch copy with a server, where one trial is run after the other."""

    def __init__(self, copy: Path) -> None:
        self._copy = copy
        self._server = Server(copy, [file for files in TESTS for file in files])
        if not self._server.is_ready:
            raise RuntimeError(copy.with_suffix(".log").read_text("utf-8")[-3000:])

    def close(self) -> None:
        """End the server."""
        self._server.__exit__(None, None, None)

    def run(self, trial: Trial, limits: Limits) -> Outcome:
        """Plant the mutant, run its tests until one fails or the limit comes, and take it out."""
        spent = Spent(limits)
        place = self._copy / trial.mutant.file
        before = place.read_bytes()
        try:
            _write(place, trial.mutant.apply(before))
            lines, status = self._swapped(trial, spent)
        finally:
            _write(place, before)
        failed = [line.split(" ", 1)[1] for line in lines if line.startswith("failed ")]
        if not failed and status:
            failed = [f"no test: pytest ended with {status}"]
        return Outcome(
            mutant=trial.mutant,
            killer=failed[0] if failed else "",
            cut=status is None,
            said=next((line.strip() for line in lines if line.startswith(" ")), ""),
            ran=sum(not line.startswith(" ") for line in lines),
            of=len(trial.tests),
            cpu_s=spent.cpu_s,
            clock_s=spent.clock_s,
        )

    def failing(self, tests: Sequence[str]) -> set[str]:
        """Run tests without a mutant; return those that fail."""
        spent = Spent(Limits(seconds=1e9, clock=1e9))
        lines, _ = self._server.run("", None, tests, spent=spent, maxfail=0)
        return {line.split(" ", 1)[1] for line in lines if line.startswith("failed ")}

    def _swapped(self, trial: Trial, spent: Spent) -> tuple[list[str], int | None]:
        if trial.function is not None:
            lines, status = self._server.run(
                trial.mutant.file, trial.function, trial.tests, spent=spent
            )
            if status != serving.NOT_SWAPPED:
                return lines, status
        ran: list[str] = []
        for some in _rounds(trial.tests):
            lines, status = self._anew(trial.mutant, some, spent)
            ran += lines
            if status != 0:
                break
        return ran, status

    def _anew(
        self, mutant: Mutant, tests: Sequence[str], spent: Spent
    ) -> tuple[list[str], int | None]:
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        with Server(self._copy, files) as server:
            if not server.is_ready:
                return [f"failed at the import of {' '.join(files[:2])} …"], 1
            spent.begin()
            return server.run(mutant.file, None, tests, spent=spent)


def copy(root: Path, to: Path) -> None:
    """Copy the files of a checkout, those too that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is what made this checkout
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)


def _rounds(tests: Sequence[str]) -> list[Sequence[str]]:
    """Cut a list of tests in two after the first few files."""
    files: set[str] = set()
    for n, test in enumerate(tests):
        files.add(test.partition("::")[0])
        if len(files) > FIRST_FILES:
            return [tests[:n], tests[n:]]
    return [tests]


def _wait(pid: int, spent: Spent) -> bool:
    """Wait for the end; return whether it came in time. What is late is ended, its servers too."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return True
    while _lives(process):
        if not spent.look(process):
            process.send_signal(signal.SIGTERM)
            end = time.monotonic() + END_S
            while _lives(process) and time.monotonic() < end:
                time.sleep(LOOK_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            return False
        time.sleep(LOOK_S)
    return True


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        return sum(process.cpu_times()[:4])
    return 0.0


def _write(place: Path, text: bytes) -> None:
    place.write_bytes(text)
    # Python compares time and size with what it has compiled; a mutant may have both of the last.
    moment = next(_TIMES)
    os.utime(place, (moment, moment))
