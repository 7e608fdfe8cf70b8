"""A few processes that live and die together.

Each runs in a session of its own, so that Ctrl-C in the terminal reaches us alone and they are
stopped in order; a worker is given the time that the call under way needs. The end of the terminal
(SIGHUP) is such a stop, too, unless we run under ``nohup``. Where we are killed and can stop
nobody, the guard kills them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Self

from broadcast.errors import OutOfReachError
from broadcast.logs import kept_log
from entrypoints.cli.embedded.guard import Guard

#: Seconds are usual; a machine that builds and tests beside it may take a minute.
READY_WITHIN_S = 120.0
#: A lane ends after the call under way, which has a total deadline of 45 s.
STOP_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.02
_ENDS = (signal.SIGTERM, signal.SIGHUP)


class Child:
    """One process and its log."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], log: Path, *, begun_at: int = 0
    ) -> None:
        """*begun_at*: how many bytes older starts left in its log."""
        self.name = name
        self.process = process
        self.log = log
        self._begun_at = begun_at

    def ready(self, pattern: str, *, within_s: float = READY_WITHIN_S) -> re.Match[str]:
        """Wait until the log matches; raise OutOfReachError if the process ends or is silent."""
        give_up = monotonic() + within_s
        while monotonic() < give_up:
            ended = self.process.poll() is not None
            found = re.search(pattern, self.output())
            if found:
                return found
            if ended:
                raise OutOfReachError("error.embedded.not_ready", **self._last_words())
            time.sleep(_LOOK_EVERY_S)
        raise OutOfReachError("error.embedded.slow", seconds=within_s, **self._last_words())

    def _last_words(self) -> dict[str, object]:
        lines = self.output().strip().splitlines() or ["-"]
        return {"name": self.name, "log": self.log, "line": lines[-1]}

    def output(self) -> str:
        """Return its output so far, of this start alone."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            # A log that is shorter than before is a new one.
            log.seek(self._begun_at if self._begun_at <= end else 0)
            return log.read().decode("utf-8", errors="replace")


class Supervisor:
    """Starts processes; stops all of them, the youngest first, when the block ends."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        *,
        cwd: Path | None = None,
        lock: int | None = None,
    ) -> None:
        """*folder* is for logs; *env* is added to the environment of all children.

        They run in *cwd*, whose ``.env`` they read, else in the folder. The file *lock* stays open,
        and locked, for as long as one of them may live.
        """
        self.folder = folder
        self.cwd = cwd or folder
        # They speak to each other over the loopback, where no proxy of the user's may stand.
        self.env = {**beside_proxies(os.environ), **env}
        self.children: list[Child] = []
        self._locks = () if lock is None else (lock,)
        self._guard = Guard(*self._locks)

    def __enter__(self) -> Self:
        """Turn SIGTERM and SIGHUP into an orderly end: whoever stops us stops all of them."""
        for number in _ENDS:
            # `nohup` has SIGHUP ignored, and so it stays.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _end)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, however the block ended."""
        try:
            self.stop()
        finally:
            self._guard.close()

    def log_of(self, name: str) -> Path:
        """Return the log of a process, for one that is to open it itself."""
        return self.folder / f"{name}.log"

    def start(self, name: str, command: Sequence[str], **env: str) -> Child:
        """Start a process whose output goes to ``NAME.log``, after that of older starts."""
        log = self.log_of(name)
        kept_log.make_room(log, most_bytes=kept_log.MOST_BYTES - kept_log.ROOM_BYTES)
        with log.open("ab") as output, undisturbed():
            begun_at = output.tell()
            process = subprocess.Popen(  # noqa: S603 - our own programs
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env, **env},
                cwd=self.cwd,
                # Also where the guard was killed first, nobody starts beside a part that lives on.
                pass_fds=self._locks,
                start_new_session=True,
            )
            self._guard.watch(process.pid)
            child = Child(name, process, log, begun_at=begun_at)
            self.children.append(child)
        return child

    def restart_guard(self) -> bool:
        """Start another guard where somebody killed it; return whether that was so."""
        return self._guard.replace_dead()

    def ended(self) -> Child | None:
        """Return a process that ended unasked, if one did."""
        return next((c for c in self.children if c.process.poll() is not None), None)

    def stop(self) -> None:
        """Ask each to stop, the youngest first; kill what does not.

        From now on SIGTERM and SIGHUP are ignored: they ask for what is under way.
        """
        _hear_no_more()
        for child in reversed(self.children):
            with suppress(ProcessLookupError):
                child.process.terminate()
            try:
                child.process.wait(STOP_WITHIN_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                # A second Ctrl-C means: now. What was being called is unknown and repeated later.
                child.process.kill()
                child.process.wait()
            self._guard.forget(child.process.pid)
        self.children.clear()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Defer the signals that end us to the end of the block: a child is started and known."""
    came: list[int] = []
    put_off = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (*_ENDS, signal.SIGINT)
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in put_off.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _end(number: int, _: object) -> None:
    _hear_no_more()
    raise SystemExit(128 + number)


def _hear_no_more() -> None:
    # A terminal that ends says so twice, by its shell as well, and a session's manager sends both:
    # that is no hurry. Ctrl-C is, and so is SIGKILL, after which the guard ends the parts.
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)


HOSTS = ("127.0.0.1", "localhost")
#: Libraries disagree about which of the two spellings wins, so both are set.
_NAMES = ("no_proxy", "NO_PROXY")


def beside_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep a proxy out of the loopback, added to those of *environ*.

    A proxy that somebody set for the world cannot reach a server of this machine, and what it
    answers instead looks like a fault of that server.
    """
    found = [environ.get(name, "") for name in _NAMES]
    # Where only one spelling is set, the other must not hide it.
    either = found[0] or found[1]
    return {name: _with_hosts(own or either) for name, own in zip(_NAMES, found, strict=True)}


def _with_hosts(named: str) -> str:
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    if "*" in hosts:
        # It stands for every host, but only where it stands alone.
        return "*"
    return ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])
