"""Real processes for tests: each in a session of its own, with its output in a log file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.kit.reaper import REAPER
from tests.kit.wait import patiently, until
from tests.kit.warm import Fork, python_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).resolve().parents[2]
LOG_TAIL_LINES = 40


class RunningProcess:
    """One command, started at once; `with` kills its whole group at the end.

    `env` is added to the environment of the tests; a value of None removes a variable. With `warm`
    a `python -m` need not import its libraries: see `tests.kit.warm`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
        user: str | None = None,
        warm: bool = False,
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self._env, self._cwd, self._user, self._warm = env, cwd, user, warm
        with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
            self._popen = self._start(nothing.fileno(), output.fileno())
        REAPER.watch(self.pid)

    def _start(self, stdin: int, output: int) -> subprocess.Popen[bytes] | Fork:
        environment = _environment(self._env or {})
        forked = None
        if self._warm:
            _, _, module, *words = self.command
            forked = python_for(module).start(
                module,
                words,
                streams=(stdin, output, output),
                folder=self._cwd,
                environment=environment,
                session=True,
            )
        return forked or subprocess.Popen(
            self.command,
            stdin=stdin,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=self._cwd,
            user=self._user,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Return the running process."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what is left of the group."""
        self.kill()

    @property
    def pid(self) -> int:
        """The process id, which is its group's and its session's id too."""
        return self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """Everything that was printed up to now, standard output and error together."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_line(self, text: str, *, timeout_s: float = 20, times: int = 1) -> None:
        """Wait until `text` stands in the output, `times` times.

        Raises:
            AssertionError: the process ended or the time was up; the end of the log is shown.
        """

        def seen_or_ended() -> bool:
            return self.output.count(text) >= times or self.exit_status is not None

        with contextlib.suppress(AssertionError):
            until(seen_or_ended, timeout_s, f"{text!r}")
        if self.output.count(text) < times:
            limit_s = patiently(timeout_s)
            raise AssertionError(self._story(f"never printed {text!r} (within {limit_s:g} s)"))

    def wait(self, *, timeout_s: float = 20) -> int:
        """Wait for the end and return the exit status.

        Raises:
            AssertionError: it still runs; as with `until`, a busy machine has longer.
        """
        limit_s = patiently(timeout_s)
        try:
            return self._popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            message = self._story(f"still runs after {limit_s:g} s")
            raise AssertionError(message) from None

    def terminate(self) -> None:
        """Send SIGTERM to the process itself, as an operator or a container would."""
        self._popen.terminate()

    def stop(self, *, timeout_s: float = 20) -> int:
        """SIGTERM, wait, kill what is left of the group; return the exit status.

        Raises:
            AssertionError: it did not end by itself in time.
        """
        self.terminate()
        try:
            return self.wait(timeout_s=timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, and wait until the process itself is gone."""
        self.signal_group(signal.SIGKILL)
        # One that was forked just now may not lead its group yet.
        self._popen.kill()
        self._popen.wait()
        REAPER.forget(self.pid)

    def again(self) -> RunningProcess:
        """Start the same command anew, with the same environment, folder and log."""
        return RunningProcess(
            self.command,
            log=self.log,
            env=self._env,
            cwd=self._cwd,
            user=self._user,
            warm=self._warm,
        )

    def freeze(self) -> None:
        """SIGSTOP to the whole group: nothing runs, every connection stays open."""
        self.signal_group(signal.SIGSTOP)
        # A thread that was at work on another core may go on for a moment, and answer.
        threads = list(Path(f"/proc/{self.pid}/task").glob("*/stat"))
        until(lambda: all(_stands(each) for each in threads), 10, "every thread to stand still")

    def thaw(self) -> None:
        """SIGCONT to the whole group."""
        self.signal_group(signal.SIGCONT)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all its children that stayed in its group."""
        # A reaped leader's group may live on, so the group is asked, not the leader.
        # macOS answers EPERM where a group holds only processes that have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def family(self) -> list[psutil.Process]:
        """The process and all its living descendants."""
        try:
            leader = psutil.Process(self.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _story(self, what: str) -> str:
        tail = "\n".join(self.output.splitlines()[-LOG_TAIL_LINES:])
        status = "runs" if self.exit_status is None else f"exit status {self.exit_status}"
        return f"{' '.join(self.command)} {what}; {status}; the end of its output:\n{tail}"


def python_module(module: str, *arguments: str) -> list[str]:
    """`python -m MODULE ARGUMENTS` with the interpreter that runs the tests."""
    return [sys.executable, "-m", module, *arguments]


def celery(program: str, *arguments: str) -> list[str]:
    """`celery -A worker PROGRAM ARGUMENTS`: worker, beat, flower, inspect ..."""
    return python_module("celery", "-A", "worker", program, *arguments)


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**os.environ, "PYTHONUNBUFFERED": "1", **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _stands(stat: Path) -> bool:
    """Tell from a thread's line in /proc whether it is stopped, or gone."""
    with contextlib.suppress(OSError):
        return stat.read_text("ascii", "replace").rpartition(")")[2].split()[0] in "TtXZ"
    return True
