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
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Reaper:
    """The run's end of the pipe. The process is started when there is something to watch."""

    def __init__(self) -> None:
        self._owner = 0
        self._pipe: IO[str] | None = None

    def watch(self, owned: int | Path) -> None:
        """Put a process (with its group and children) or a folder on the list."""
        self._tell(f"+{owned}")

    def forget(self, owned: int | Path) -> None:
        """Take it off the list: it is gone, or somebody else's now."""
        self._tell(f"-{owned}")

    def _tell(self, line: str) -> None:
        # A fork of the run must not speak for it.
        if self._pipe is None or self._owner != os.getpid():
            self._owner = os.getpid()
            self._pipe = _start()
        self._pipe.write(f"{line}\n")
        self._pipe.flush()


def _start() -> IO[str]:
    # `Popen` would warn at the run's end that the process still runs, which is its purpose.
    reading, writing = os.pipe()
    subprocess.run(
        ["/bin/sh", "-c", '"$0" -m tests.kit.reaper &', sys.executable],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        check=True,
        start_new_session=True,
    )
    os.close(reading)
    return os.fdopen(writing, "w")


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
            shutil.rmtree(name, ignore_errors=True)


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
