"""Ends the parts of a supervisor that was killed: nobody cleans up after SIGKILL.

The supervisor sends a small process of its own, by a pipe, which parts it has. The pipe ends with
the supervisor, however that ends; parts that are still on the list are killed then. Else they would
run on unseen, and those of the next start beside them on the same data.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

#: How long parts may take to die before the guard ends all the same.
_DEAD_WITHIN_S = 2.0
_LOOK_EVERY_S = 0.02


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self, *held: int) -> None:
        """Start the process; it keeps the files *held* open until it ends, and so their locks."""
        self._held = held
        self._parts: set[int] = set()
        self._process = self._started()

    def watch(self, pid: int) -> None:
        """Add a part, and its process group, to the list."""
        self._parts.add(pid)
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Remove a part from the list: it has ended."""
        self._parts.discard(pid)
        self._tell(f"-{pid}")

    def replace_dead(self) -> bool:
        """Start another process with the same list where somebody killed it; return whether.

        Where none can be started (no memory, too many processes), the next look tries again.
        """
        if self._process.poll() is None:
            return False
        try:
            successor = self._started()
        except OSError:
            return False
        self._process.communicate()
        self._process = successor
        for pid in self._parts:
            self._tell(f"+{pid}")
        return True

    def close(self) -> None:
        """End the guard, and with it every part that is still on the list."""
        self._process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=self._held,
            start_new_session=True,
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        # One that somebody killed is replaced by the next look; its successor gets the whole list.
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())


def main(lines: Iterable[str]) -> None:
    """Keep the list until the pipe ends, then kill what is on it."""
    parts: set[int] = set()
    for line in lines:
        if line.startswith("+"):
            parts.add(int(line[1:]))
        else:
            parts.discard(int(line[1:]))
    give_up = monotonic() + _DEAD_WITHIN_S
    while (parts := {pid for pid in parts if _killed(pid)}) and monotonic() < give_up:
        time.sleep(_LOOK_EVERY_S)


def _killed(pid: int) -> bool:
    """Kill a part with its group; return whether there was something to kill."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main(sys.stdin)
