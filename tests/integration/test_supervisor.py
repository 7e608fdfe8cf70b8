"""A supervisor takes its parts along, however it ends, and what it locked is free then."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from unittest.mock import Mock

import psutil
import pytest

from broadcast.errors import OutOfReachError
from broadcast.logs import kept_log
from entrypoints.cli.embedded import guard, supervisor
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kit.processes import RunningProcess
    from tests.servers.fixtures import Launch

#: Starts a part that starts another process, as a part may do.
SUPERVISED = """
import fcntl, sys, time
from pathlib import Path
from entrypoints.cli.embedded.supervisor import Supervisor

part = "import subprocess, sys; subprocess.call([sys.executable, '-c', 'import time; time.sleep(90)'])"
folder = Path(sys.argv[1])
with (folder / "lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with Supervisor(folder, {}, lock=lock.fileno()) as supervisor:
        print("part", supervisor.start("part", [sys.executable, "-c", part]).process.pid)
        while supervisor.ended() is None:
            if supervisor.restart_guard():
                print("guarded anew")
            time.sleep(0.02)
"""  # noqa: E501

#: Starts a part that ends, once it is asked to, when there is a file `go`.
PATIENT = """
import sys, time
from pathlib import Path
from entrypoints.cli.embedded.supervisor import Supervisor

part = '''
import os, signal, sys, time
def end(*_):
    print("asked", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.02)
    print("ended in order", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    time.sleep(1)
'''
with Supervisor(Path(sys.argv[1]), {}) as supervisor:
    child = supervisor.start("part", [sys.executable, "-c", part])
    child.ready("ready")
    print(f"part {child.process.pid}.")
    while supervisor.ended() is None:
        time.sleep(0.02)
"""


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


def guard_of_this_process() -> psutil.Process | None:
    """Return the guard once it runs its own program; right after the fork it is still Python."""
    children = psutil.Process().children()
    return next((child for child in children if guard.__file__ in child.cmdline()), None)


def test_where_no_other_guard_can_be_started_the_list_is_kept_for_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as part:
        ours = guard.Guard()
        ours.watch(part.pid)
        process = until(guard_of_this_process, 10, "a guard")
        assert process is not None
        process.kill()
        until(lambda: not lives(process), 10, "the guard to be gone")
        with monkeypatch.context() as full:
            full.setattr(guard.Guard, "_started", Mock(side_effect=BlockingIOError))
            assert not ours.replace_dead()
            ours.forget(part.pid)
            ours.watch(part.pid)
        assert ours.replace_dead()
        ours.close()
    assert part.returncode == -signal.SIGKILL


def test_a_part_that_is_slow_is_told_from_one_that_ended(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("warming up\n", encoding="utf-8")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as part:
        child = supervisor.Child("part", part, log)
        with pytest.raises(OutOfReachError) as slow:
            child.ready("ready", within_s=0.1)
        part.kill()
    with pytest.raises(OutOfReachError) as ended:
        child.ready("ready")

    assert (slow.value.message_id, slow.value.facts["seconds"]) == ("error.embedded.slow", 0.1)
    assert ended.value.message_id == "error.embedded.not_ready"
    for told in (slow, ended):
        assert "warming up" in str(told.value)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[supervisor.Supervisor]:
    """A supervisor in the tests' own process, whose signals are then as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    with supervisor.Supervisor(tmp_path, {}) as started:
        yield started
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_restart_keeps_the_log_and_is_not_ready_by_the_words_of_the_start_before(
    tmp_path: Path, here: supervisor.Supervisor
) -> None:
    log = tmp_path / "part.log"
    log.write_text("ready\n", encoding="ascii")

    with pytest.raises(OutOfReachError) as ended:
        here.start("part", ["sh", "-c", "echo out of luck"]).ready("ready")

    assert ended.value.facts["line"] == "out of luck"
    assert log.read_text(encoding="ascii") == "ready\nout of luck\n"


def test_a_log_that_is_nearly_full_is_put_aside_before_a_start(
    tmp_path: Path, here: supervisor.Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_log, "MOST_BYTES", 20)
    monkeypatch.setattr(kept_log, "ROOM_BYTES", 10)
    (tmp_path / "part.log").write_text("of last week\n", encoding="ascii")

    here.start("part", ["sh", "-c", "echo ready; exec sleep 60"]).ready("^ready")

    assert (tmp_path / "part.log.1").read_text(encoding="ascii") == "of last week\n"


def test_what_a_part_printed_is_read_on_in_the_file_that_it_began_anew(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("new\n", encoding="ascii")
    with subprocess.Popen(["true"]) as part:
        child = supervisor.Child("part", part, log, begun_at=1000)

    assert child.output() == "new\n"


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGTERM])
def test_the_end_of_the_terminal_is_an_orderly_stop_however_often_it_is_told(
    launch: Launch, tmp_path: Path, first: signal.Signals
) -> None:
    process, part = patient(launch, tmp_path)

    os.kill(process.pid, first)
    until(lambda: "asked" in log_of(tmp_path), 10, "the part to be asked")
    for again in (signal.SIGHUP, signal.SIGTERM):
        os.kill(process.pid, again)
    (tmp_path / "go").touch()

    assert process.wait() == 128 + first
    assert "ended in order" in log_of(tmp_path)
    assert not lives(part)


def test_under_nohup_the_end_of_the_terminal_ends_nothing(launch: Launch, tmp_path: Path) -> None:
    process, part = patient(launch, tmp_path, "nohup")
    (tmp_path / "go").touch()

    os.kill(process.pid, signal.SIGHUP)
    # Had it been heard, it would be the first that is told.
    os.kill(process.pid, signal.SIGTERM)

    assert process.wait() == 128 + signal.SIGTERM
    assert not lives(part)


def test_a_signal_waits_until_a_part_that_is_being_started_is_known() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, supervisor._end)
    known = []
    try:
        with pytest.raises(SystemExit) as end, supervisor.undisturbed():  # noqa: PT012 - at its end
            signal.raise_signal(signal.SIGHUP)
            known.append("the part")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert known == ["the part"]
    assert end.value.code == 128 + signal.SIGHUP


def patient(launch: Launch, folder: Path, *prefix: str) -> tuple[RunningProcess, psutil.Process]:
    """Start a supervisor with a part that takes its time; return both."""
    process = launch([*prefix, sys.executable, "-c", PATIENT, folder])
    process.wait_for_line(".")
    return process, psutil.Process(int(process.output.split()[-1][:-1]))


def log_of(folder: Path) -> str:
    """What the part printed."""
    return (folder / "part.log").read_text(encoding="utf-8")


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
