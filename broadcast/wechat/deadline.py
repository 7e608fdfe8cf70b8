"""Progress of a call, and the end of its time.

``requests`` times each ``recv`` on its own: a server that drips one byte a second holds a call for
ever, in the headers as well as in the body, and so does one that reads our 320 kB as slowly. No
check between reads can end that from inside. So a watchdog outside shuts the connection when the
call's time is over, and whatever the call was waiting for fails at once.
"""

from __future__ import annotations

import math
import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic
from typing import Protocol

from broadcast.wechat.call_errors import NO_SECRETS, InvalidRequestError, Secrets


class SendBy(Protocol):
    """The moment by which a request must have begun to leave; by which clock is the caller's."""

    @property
    def over(self) -> bool:
        """Return whether it has passed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time-outs of a call, in seconds; each must be given, none can be switched off.

    ``connect_s``: name, TCP and TLS together, and the wait for a free connection before it.
    ``read_s``: between two pieces of the reply, or for the whole request to be written.
    ``total_s``: everything. ``requests`` has no such limit: its read time-out starts again with
    every byte, so a dripping reply would outlive the caller's lease.
    """

    connect_s: float = 5
    read_s: float = 30
    total_s: float = 45

    def __post_init__(self) -> None:
        """Raise ``InvalidRequestError`` unless all three are positive."""
        if not all(each > 0 for each in (self.connect_s, self.read_s, self.total_s)):
            raise InvalidRequestError(field="timeouts", problem="each must be above 0 seconds")

    def within(self, other: Timeouts) -> Timeouts:
        """Return the shorter of each."""
        return Timeouts(
            connect_s=min(self.connect_s, other.connect_s),
            read_s=min(self.read_s, other.read_s),
            total_s=min(self.total_s, other.total_s),
        )


class Phase(IntEnum):
    """Progress of a call; from ``SENDING`` on some byte of it may have reached WeChat."""

    CONNECTING = 0
    TUNNELLING = 1
    SENDING = 2
    WAITING = 3


class TooLateError(Exception):
    """The call must not leave any more."""


class Exchange:
    """One call on its way, as its connection and the watchdog see it."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        send_by: SendBy | None = None,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        self.timeouts = timeouts
        self.send_by = send_by
        self.secrets = secrets
        self.started = monotonic()
        self.deadline = self.started + timeouts.total_s
        self.phase = Phase.CONNECTING
        self.expired = False
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._over = False

    @property
    def sent(self) -> bool:
        """Return whether the first byte of the request was handed to the operating system."""
        return self.phase >= Phase.SENDING

    @property
    def elapsed_ms(self) -> int:
        """Return the milliseconds since the call began."""
        return round((monotonic() - self.started) * 1000)

    def leave(self) -> None:
        """Note that the request leaves from now on; raise ``TooLateError`` if it must not."""
        if not self.sent and self.send_by is not None and self.send_by.over:
            raise TooLateError("connected after the moment by which the call had to leave")
        self.phase = Phase.SENDING

    def connect_budget_s(self) -> float:
        """Return the seconds that waiting for a connection may take from now on."""
        return max(0.0, min(self.timeouts.connect_s, self.deadline - monotonic()))

    def attach(self, connection: socket.socket) -> None:
        """Register *connection* with the watchdog; raise ``TimeoutError`` if its time is over.

        The handle is a second descriptor of the same connection: the first changes hands when TLS
        is put around it, and shutting an ``SSLSocket`` from another thread would pull the session
        from under its reader.
        """
        with self._lock:
            if self._handle is None and not self._over:
                self._handle = socket.fromfd(
                    connection.fileno(), connection.family, connection.type
                )
            if self.expired:
                raise TimeoutError("total time-out")

    def expire(self) -> None:
        """Shut the connection: the call's time is over."""
        with self._lock:
            if self._over:
                return
            self.expired = True
            if self._handle is not None:
                # The other side may have closed it already.
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Take the connection out of the watchdog's reach, before another call may use it."""
        with self._lock:
            self._over = True
            if self._handle is not None:
                self._handle.close()
                self._handle = None


# The call of this thread: urllib3 hands no context of ours through to its connections.
CURRENT: ContextVar[Exchange] = ContextVar("wechat_exchange")


class Watchdog:
    """Expires the calls whose deadline has passed, all of them with one thread.

    The thread lives while there are calls and ends with them, so a client that is forgotten
    leaves nothing behind.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._watched: set[Exchange] = set()
        self._wakes_at = math.inf
        self._running = False

    def watch(self, exchange: Exchange) -> None:
        """Expire *exchange* at its deadline unless ``unwatch`` comes first."""
        with self._condition:
            self._watched.add(exchange)
            if not self._running:
                threading.Thread(target=self._run, name="wechat-deadline", daemon=True).start()
                self._running = True
            elif exchange.deadline < self._wakes_at:
                self._condition.notify()

    def unwatch(self, exchange: Exchange) -> None:
        """Forget *exchange*."""
        with self._condition:
            self._watched.discard(exchange)

    def _run(self) -> None:
        while True:
            with self._condition:
                now = monotonic()
                overdue = {each for each in self._watched if each.deadline <= now}
                self._watched -= overdue
                if not overdue:
                    if not self._watched:
                        self._running = False
                        return
                    self._wakes_at = min(each.deadline for each in self._watched)
                    self._condition.wait(self._wakes_at - now)
            for exchange in overdue:
                exchange.expire()
