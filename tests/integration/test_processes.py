"""The helper that starts real processes tells the truth about them."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.kit.processes import python_module
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.servers.fixtures import Launch

PATIENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", child.pid)
time.sleep(600)
"""


def test_stop_gives_the_exit_status_and_ends_the_children(launch: Launch) -> None:
    """SIGTERM goes to the process alone, SIGKILL to what it left."""
    process = launch([sys.executable, "-c", PATIENT])
    process.wait_for_line("ready")
    child = process.family()[1]

    assert process.stop() == 7

    until(lambda: not _runs(child), 5, "the child to end")


def test_kill_ends_the_whole_group(launch: Launch) -> None:
    """Nothing gets a chance to clean up."""
    process = launch([sys.executable, "-c", PATIENT])
    process.wait_for_line("ready")
    child = process.family()[1]

    process.kill()

    assert process.exit_status == -signal.SIGKILL
    until(lambda: not _runs(child), 5, "the child to end")


def test_line_that_never_comes_fails_with_the_log(launch: Launch) -> None:
    """A process that ended is not waited for."""
    process = launch([sys.executable, "-c", "print('only this'); raise SystemExit(3)"])

    with pytest.raises(AssertionError, match=r"(?s)exit status 3.*only this"):
        process.wait_for_line("something else", timeout_s=60)


def test_environment_is_added_to_and_taken_from(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None removes a variable."""
    monkeypatch.setenv("TAKEN", "x")
    script = "import os; print('seen', os.environ.get('ADDED'), os.environ.get('TAKEN'))"

    process = launch([sys.executable, "-c", script], env={"ADDED": "1", "TAKEN": None})

    process.wait_for_line("seen 1 None")


def test_frozen_process_goes_on_after_the_thaw(launch: Launch) -> None:
    """SIGSTOP and SIGCONT reach the whole group."""
    process = launch(python_module("http.server", "--bind", "127.0.0.1", "0"))
    process.wait_for_line("Serving HTTP")
    leader = psutil.Process(process.pid)

    process.freeze()
    until(lambda: leader.status() == psutil.STATUS_STOPPED, 5, "the process to be stopped")

    process.thaw()
    until(lambda: leader.status() != psutil.STATUS_STOPPED, 5, "the process to go on")


def test_vain_wait_says_what_it_saw_last() -> None:
    """The value or the exception is usually the explanation."""
    with pytest.raises(AssertionError, match=r"in vain for the end of days; .* raised .*'why'"):
        until(lambda: dict[str, int]()["why"], 0.05, "the end of days")
    with pytest.raises(AssertionError, match="the last value was 0"):
        until(lambda: 0, 0.05, "a number")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
