"""Ends what a test run left when the run itself was killed.

The run tells a small process of its own, by a pipe, which processes and folders it owns. The
pipe ends with the run, however the run ends; what is still on the list then is killed and
removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path


class Reaper:
    """The run's end of the pipe. The process is started when there is something to watch."""

    def __init__(self) -> None:
        self._owner = 0
        self._pipe: IO[str] | None = None
        # Two threads that both start one would lose one of them, and it would end what it watches.
        self._guard = threading.Lock()

    def watch(self, owned: int | Path) -> None:
        """Put a process (with its group and children) or a folder on the list."""
        self._tell(f"+{owned}")

    def forget(self, owned: int | Path) -> None:
        """Take it off the list: it is gone, or somebody else's now."""
        self._tell(f"-{owned}")

    def _tell(self, line: str) -> None:
        with self._guard:
            # A fork of the run must not speak for it.
            if self._pipe is None or self._owner != os.getpid():
                self._owner = os.getpid()
                self._pipe = _start()
            self._pipe.write(f"{line}\n")
            self._pipe.flush()


def _start() -> IO[str]:
    # Not by `Popen`, which would complain at the end that the process still runs: it must.
    reading, writing = os.pipe()
    os.posix_spawn(
        sys.executable,
        [sys.executable, __file__],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.close(reading)
    return os.fdopen(writing, "w")


REAPER = Reaper()


def main(lines: IO[str]) -> None:
    """Keep the list until the pipe ends, then do what has to be done."""
    owned: set[str] = set()
    for line in lines:
        change, name = line[0], line[1:].rstrip("\n")
        if change == "+":
            owned.add(name)
        else:
            owned.discard(name)
    for name in owned:
        if name.isdigit():
            _kill(int(name))
    for name in owned:
        if not name.isdigit():
            _remove(name)


def _remove(folder: str) -> None:
    # A server that was being made was not on the list yet, and names its folder.
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()):
            _kill(process.pid)
    shutil.rmtree(folder, ignore_errors=True)


def _kill(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for process in (*leader.children(recursive=True), leader):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.stdin)
