"""Many light processes at once: forked from this one, started together, each with one answer."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from typing import TYPE_CHECKING

from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

# The kernel ends a child that hangs, even if this process is gone.
CHILD_LIFE_S = 90


class Fork:
    """One forked child that runs `work` and answers with a text."""

    def __init__(self, work: Callable[[], str]) -> None:
        self._answer, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _run(work, writer)
        os.close(writer)
        self._ended = False

    def __enter__(self) -> Self:
        """Return the running child."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill it if it still runs."""
        self.kill()
        os.close(self._answer)

    def answer(self) -> str:
        """Wait for the end, and return what `work` returned or the traceback it ended with."""
        chunks = []
        while chunk := os.read(self._answer, 65_536):
            chunks.append(chunk)
        self.kill()
        return b"".join(chunks).decode()

    def kill(self) -> None:
        """Kill it, if it still runs, and reap it."""
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._ended = True

    def freeze(self) -> None:
        """SIGSTOP, and return when it is stopped."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)


class Gate:
    """A door between processes: who comes to it knocks, and waits until it is opened."""

    def __init__(self) -> None:
        self._knock_reader, self._knock_writer = os.pipe()
        self._open_reader, self._open_writer = os.pipe()
        os.set_blocking(self._knock_reader, False)

    def __enter__(self) -> Self:
        """Return the closed gate."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pipes."""
        for end in self._knock_reader, self._knock_writer, self._open_reader, self._open_writer:
            os.close(end)

    def pass_through(self) -> None:
        """Knock, and wait."""
        os.write(self._knock_writer, b"k")
        os.read(self._open_reader, 1)

    def wait_for_knocks(self, count: int = 1, *, timeout_s: float = 30) -> None:
        """Wait until `count` callers stand before it."""
        for _ in range(count):
            until(self._knocked, timeout_s, "a knock at the gate")

    def open(self, count: int = 1) -> None:
        """Let `count` callers through, now or when they come."""
        os.write(self._open_writer, b"o" * count)

    def _knocked(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self._knock_reader, 1))
        return False


def answers_of(count: int, work: Callable[[], str]) -> list[str]:
    """Fork `count` children that all start `work` at once; return their answers."""
    with contextlib.ExitStack() as stack, Gate() as start:

        def start_together() -> str:
            start.pass_through()
            return work()

        children = [stack.enter_context(Fork(start_together)) for _ in range(count)]
        start.wait_for_knocks(count)
        start.open(count)
        return [child.answer() for child in children]


@contextlib.contextmanager
def forked(work: Callable[[], str]) -> Iterator[Fork]:
    """Fork one child, and end it with the block."""
    with Fork(work) as child:
        yield child


def _run(work: Callable[[], str], writer: int) -> None:
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_LIFE_S)
        answer = work()
    except BaseException:  # noqa: BLE001 - a child must never return into the test runner
        answer = traceback.format_exc()
    try:
        with os.fdopen(writer, "w") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)
