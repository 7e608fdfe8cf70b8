"""What the servers have in common: a folder, a port, a process, and ways to hurt it."""

from __future__ import annotations

import abc
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.kit.reaper import REAPER
from tests.kit.wait import until
from tests.servers.ports import free_port, listens

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.kit.processes import RunningProcess

PORT_ATTEMPTS = 3

# The guard against left-over processes spares these: pids of servers that outlive a test.
KEPT_PIDS: set[int] = set()


class Daemon(abc.ABC):
    """One server process; `with` starts it, and stops it and removes its folder at the end.

    With `kept=True` the server outlives the test that started it.
    """

    name: ClassVar[str]
    start_timeout_s: ClassVar[float] = 30

    def __init__(self, *, kept: bool = False) -> None:
        # Directly under the temporary folder: the paths of Unix sockets are short by law, and
        # pytest closes its own folders to other users, PostgreSQL's among them.
        self.folder = Path(tempfile.mkdtemp(prefix=f"tests-{self.name}-"))
        REAPER.watch(self.folder)
        self.port = free_port()
        self._kept = kept
        self._process: RunningProcess | None = None
        self._prepared = False

    def __enter__(self) -> Self:
        """Start the server."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and remove its folder."""
        self.close()

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """The URL clients use."""

    @property
    def process(self) -> RunningProcess:
        """The running process.

        Raises:
            RuntimeError: the server is not started.
        """
        if self._process is None:
            message = f"{self.name} is not started"
            raise RuntimeError(message)
        return self._process

    def start(self) -> None:
        """Start on the port of this object and return when clients can use it.

        The very first start moves to another port where somebody else took this one.

        Raises:
            AssertionError: the server does not come up; the end of its log is shown.
        """
        attempts = 1 if self._prepared else PORT_ATTEMPTS
        if not self._prepared:
            self._prepare()
            self._prepared = True
        for attempt in range(1, attempts + 1):
            try:
                self._start_once()
            except AssertionError:
                self.kill()
                if attempt == attempts:
                    raise
                self.port = free_port()
            else:
                return

    def stop(self) -> None:
        """Stop the way an administrator would, and keep the data."""
        if self._process is not None:
            self._process.thaw()
            self._process.stop(timeout_s=30)
            self._forget()

    def kill(self) -> None:
        """Kill -9: nothing is flushed, nobody is told. Returns when the port is closed."""
        if self._process is not None:
            self._process.kill()
            self._forget()
            until(lambda: not listens(self.port), 10, f"port {self.port} of {self.name} to close")

    def restart(self) -> None:
        """Kill -9 and start again on the same port."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self.process.freeze()

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        self.process.thaw()

    def revive(self) -> None:
        """Undo whatever a test did to the server: thaw it, start it where it was stopped."""
        if self._process is not None:
            self._process.thaw()
            if self._process.exit_status is not None:
                self.kill()
        if self._process is None:
            self.start()

    def close(self) -> None:
        """Kill the server and remove its folder: nothing in it is needed any more."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            REAPER.forget(self.folder)

    def _prepare(self) -> None:  # noqa: B027 - Valkey has nothing to prepare
        """Make the data folder and the like, once."""

    @abc.abstractmethod
    def _launch(self) -> RunningProcess:
        """Start the program; it need not be ready."""

    @abc.abstractmethod
    def _answers(self) -> bool:
        """Tell whether a client is served; an exception counts as no."""

    def _start_once(self) -> None:
        self._process = process = self._launch()
        if self._kept:
            KEPT_PIDS.add(process.pid)

        def served_or_ended() -> bool:
            return process.exit_status is not None or self._answers()

        until(served_or_ended, self.start_timeout_s, f"{self.name} to serve\n{process.output}")
        if process.exit_status is not None:
            message = f"{self.name} ended at its start:\n{process.output}"
            raise AssertionError(message)

    def _forget(self) -> None:
        KEPT_PIDS.discard(self.process.pid)
        self._process = None
