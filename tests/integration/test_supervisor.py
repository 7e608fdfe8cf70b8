"""A supervisor that is killed takes its parts along, and what it locked is free then."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil

from cli.embedded import guard
from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.processes import RunningProcess
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
        while supervisor.ended() is None:
            if supervisor.guarded_anew():
                print("guarded anew")
            time.sleep(0.02)
"""  # noqa: E501


def test_parts_die_with_a_supervisor_that_is_killed_and_its_lock_is_free_after_them(
    launch: Launch, tmp_path: Path
) -> None:
    process, parts = supervised(launch, tmp_path)

    os.kill(process.pid, signal.SIGKILL)

    with (tmp_path / "lock").open("w") as lock:
        until(lambda: locked(lock.fileno()), 10, "a free lock")
    assert [one for one in parts if lives(one)] == []


def test_a_guard_that_was_killed_is_replaced_by_one_that_knows_every_part(
    launch: Launch, tmp_path: Path
) -> None:
    process, parts = supervised(launch, tmp_path)

    for times in (1, 2):
        guard_of(process).kill()
        process.wait_for_line("guarded anew", times=times)
    os.kill(process.pid, signal.SIGKILL)

    with (tmp_path / "lock").open("w") as lock:
        until(lambda: locked(lock.fileno()), 10, "a free lock")
    assert [one for one in parts if lives(one)] == []


def supervised(launch: Launch, folder: Path) -> tuple[RunningProcess, list[psutil.Process]]:
    """Start a supervisor; return it with its part and the part's own process."""
    process = launch([sys.executable, "-c", SUPERVISED, folder])
    process.wait_for_line("part ")
    part = psutil.Process(int(process.output.split()[1]))
    until(part.children, 10, "the part's own process")
    return process, [part, *part.children()]


def guard_of(process: RunningProcess) -> psutil.Process:
    """The guard process of a supervisor."""
    [found] = [one for one in process.family() if guard.__file__ in one.cmdline()]
    return found


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
