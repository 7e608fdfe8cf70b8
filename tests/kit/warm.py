"""Programs of ours as forks of a Python that has imported everything already.

What a test changes of that which an interpreter reads at its start gets an interpreter of its own;
so does everything with `TESTS_START=interpreter`, as `make prove` has it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kit.reaper import REAPER
from tests.kit.shifted_clock import sitecustomize
from tests.kit.wait import can_read
from tests.kit.warm_server import NUMBER

_ROOT = Path(__file__).resolve().parents[2]
#: With the value `interpreter` every program gets an interpreter of its own.
VARIABLE = "TESTS_START"
#: What programs of ours read whenever they need it. Whatever else differs in an environment, an
#: interpreter or a library may have read when it was started or imported.
AT_RUN_TIME = (
    "BROADCAST_",
    "CELERY_BROKER_URL",
    "COLUMNS",
    "DATABASE_URL",
    "LOGNAME",
    "NO_COLOR",
    "REDIS_URL",
    "TERM",
    "WECHAT_",
    "PYTEST_",
)
#: What our programs set themselves before they import much, so that a test which calls one of them
#: in its own process sets it for all that this process starts.
SET_BY_PROGRAMS = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
#: Where an interpreter finds the clock of `tests.kit.clock`; a fork has it at hand.
_SHIFTED = str(Path(sitecustomize.__file__).parent)
#: The servers themselves; the guard against processes that a test left spares them.
PIDS: set[int] = set()


class Fork:
    """A program that runs, with the methods of `Popen` that tests need."""

    def __init__(self, pid: int, told: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told = told
        self._guard = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit status, negative when a signal ended it; None while it runs."""
        with self._guard:
            if self.returncode is None and can_read(self._told, 0):
                self.returncode = _number(self._told)
                self._told.close()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        if self.poll() is None:
            can_read(self._told, timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            # It may have ended just now, and its status be on the way.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM, unless it has ended."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class WarmPython:
    """A Python of this test process; the first start starts it."""

    def __init__(self, *packages: str) -> None:
        self._packages = packages
        self._guard = threading.Lock()
        self._control: socket.socket | None = None
        self._environment: Mapping[str, str] = {}

    def start(
        self,
        module: str,
        words: Sequence[str | bytes],
        *,
        streams: tuple[int, int, int],
        folder: Path,
        environment: Mapping[str, str],
        session: bool,
    ) -> Fork | None:
        """Start `python -m MODULE WORDS`; None where it needs an interpreter of its own."""
        # Apple's libraries do not work in a fork.
        if os.environ.get(VARIABLE) == "interpreter" or sys.platform == "darwin":
            return None
        with self._guard:
            control = self._control or self._open()
        if self._read_once(environment) != self._read_once(self._environment):
            return None
        # The guard against processes that a test leaves behind listens for this.
        sys.audit("os.fork")
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as order:
            told = {
                "module": module,
                "words": [os.fsdecode(word) for word in words],
                "folder": str(folder),
                "environment": dict(environment),
                "session": session,
            }
            order.write(json.dumps(told).encode())
            order.seek(0)
            with self._guard:
                socket.send_fds(control, [b"!"], [theirs.fileno(), order.fileno(), *streams])
        return Fork(_number(ours), ours)

    def _read_once(self, environment: Mapping[str, str]) -> dict[str, str]:
        found = {
            name: value for name, value in environment.items() if not name.startswith(AT_RUN_TIME)
        }
        # A fork does as these say.
        found.pop("PYTHONUNBUFFERED", None)
        found.pop(sitecustomize.VARIABLE, None)
        for name, value in SET_BY_PROGRAMS.items():
            if found.get(name) == value:
                del found[name]
        path = found.pop("PYTHONPATH", "").split(os.pathsep)
        others = [place for place in path if place not in {"", _SHIFTED}]
        return {"PYTHONPATH": os.pathsep.join(others) or str(_ROOT), **found}

    def _open(self) -> socket.socket:
        self._control, theirs = socket.socketpair()
        self._environment = {**os.environ, **SET_BY_PROGRAMS, "PYTHONPATH": str(_ROOT)}
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.kit.warm_server",
                    str(theirs.fileno()),
                    *self._packages,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=_ROOT,
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        PIDS.add(process.pid)
        REAPER.watch(process.pid)
        atexit.register(self._close, process)
        return self._control

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        assert self._control is not None
        self._control.close()
        process.wait()
        REAPER.forget(process.pid)


def _number(told: socket.socket) -> int:
    data = told.recv(NUMBER.size)
    assert data, "the warm Python has ended; what it wrote to standard error says why"
    return int(NUMBER.unpack(data)[0])


_OURS = ("broadcast", "models", "producer")
#: For commands, `broadcast callback` and `broadcast api` among them.
COMMANDS = WarmPython(*_OURS, "entrypoints")
#: For workers, beats and simulators. A command must not have the worker's tasks.
PROGRAMS = WarmPython(*_OURS, "worker", "simulator")


def python_for(module: str) -> WarmPython:
    """Return the one that starts `python -m MODULE`."""
    return COMMANDS if module.startswith("entrypoints.cli.") else PROGRAMS
