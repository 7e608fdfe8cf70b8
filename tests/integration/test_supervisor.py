"""A supervisor that is killed takes its parts along, and what it locked is free then."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil

from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.fixtures import Launch

#: Starts a part that starts another process, as a part may do.
SUPERVISED = """
import fcntl, sys, time
from pathlib import Path
from cli.embedded.supervisor import Supervisor

part = "import subprocess, sys; subprocess.call([sys.executable, '-c', 'import time; time.sleep(90)'])"
folder = Path(sys.argv[1])
with (folder / "lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with Supervisor(folder, {}, lock=lock.fileno()) as supervisor:
        print("part", supervisor.start("part", [sys.executable, "-c", part]).process.pid)
        time.sleep(90)
"""  # noqa: E501


def test_parts_die_with_a_supervisor_that_is_killed_and_its_lock_is_free_after_them(
    launch: Launch, tmp_path: Path
) -> None:
    process = launch([sys.executable, "-c", SUPERVISED, tmp_path])
    process.wait_for_line("part ")
    part = psutil.Process(int(process.output.split()[1]))
    until(part.children, 10, "the part's own process")
    family = [part, *part.children()]

    os.kill(process.pid, signal.SIGKILL)

    with (tmp_path / "lock").open("w") as lock:
        until(lambda: locked(lock.fileno()), 10, "a free lock")
    assert [one for one in family if lives(one)] == []


def locked(lock: int) -> bool:
    """Take the lock; where somebody else has it, that raises."""
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def lives(process: psutil.Process) -> bool:
    """Tell whether it runs; one that nobody has reaped does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
