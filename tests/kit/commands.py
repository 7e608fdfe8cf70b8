"""Commands `broadcast`, each a process: a fork of a Python that has imported everything already.

Where a test is about the start or the streams of a real process, or changes what an interpreter
reads at its start, the command gets an interpreter of its own. `TESTS_COMMANDS=interpreter` does
so for all.
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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.kit.processes import ROOT
from tests.kit.reaper import REAPER

#: With the value `interpreter` every command starts an interpreter of its own.
VARIABLE = "TESTS_COMMANDS"
#: What an interpreter, and what it imports, reads at its start; a fork would miss a change.
AT_START = ("BROADCAST_CRASH", "LANG", "LC_", "PYTHON", "TESTS_CLOCK", "TZ")

#: The script that is installed for users.
PROGRAM = str(Path(sys.executable).parent / "broadcast")

Done = subprocess.CompletedProcess[bytes]


def run(
    words: Sequence[str | bytes],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout_s: float = 60,
    before: Sequence[str] = (),
) -> Done:
    """Run `BEFORE broadcast WORDS` to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was killed.
    """
    settled = at_start(environment) == at_start(os.environ)
    if before or not settled or os.environ.get(VARIABLE) == "interpreter":
        return subprocess.run(
            [*before, PROGRAM, *words], input=stdin, capture_output=True, cwd=folder,
            env=environment, timeout=timeout_s, check=False,
        )  # fmt: skip
    order = {
        "words": [os.fsdecode(word) for word in words],
        "folder": str(folder), "environment": dict(environment),
    }  # fmt: skip
    # The guard against processes that a test leaves behind listens for this.
    sys.audit("os.fork")
    with contextlib.ExitStack() as stack:
        file, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        file.write(json.dumps(order).encode())
        file.seek(0)
        reading = stack.enter_context(_fed(stdin))
        started = SERVER.start(file.fileno(), reading, out.fileno(), err.fileno())
        with started:
            status = _status(started, timeout_s, words)
        out.seek(0)
        err.seek(0)
        return Done(list(words), status, out.read(), err.read())


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what an interpreter reads of an environment while it starts."""
    return {name: value for name, value in environment.items() if name.startswith(AT_START)}


class CommandServer:
    """The warm Python of this test process; it is started by the first command."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._control: socket.socket | None = None

    def start(self, *descriptors: int) -> socket.socket:
        """Start what is ordered; the socket tells the pid, and later the exit status."""
        ours, theirs = socket.socketpair()
        with theirs, self._guard:
            control = self._control or self._open()
            socket.send_fds(control, [b"c"], [theirs.fileno(), *descriptors])
        return ours

    def _open(self) -> socket.socket:
        self._control, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.command_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)}, pass_fds=[theirs.fileno()],
                start_new_session=True,
            )  # fmt: skip
        REAPER.watch(process.pid)
        atexit.register(self._close, process)
        return self._control

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        assert self._control is not None
        self._control.close()
        process.wait()
        REAPER.forget(process.pid)


SERVER = CommandServer()


def _status(started: socket.socket, timeout_s: float, words: Sequence[str | bytes]) -> int:
    with started.makefile("r", encoding="ascii") as told:
        pid = int(told.readline())
        started.settimeout(timeout_s)
        try:
            return int(told.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(words), timeout_s) from None
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise


@contextlib.contextmanager
def _fed(data: bytes) -> Iterator[int]:
    """Give a pipe to read *data* from."""
    reading, writing = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        thread.join()
