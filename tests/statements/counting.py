"""Counting what any engine of this process is asked, by the crash points that are passed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, event

from tests.statements import doors

#: SQLite's, of a transaction that writes; see `models.engine`.
_WRITES = "BEGIN IMMEDIATE"


@dataclass(frozen=True, slots=True)
class Count:
    """What was asked."""

    statements: int
    transactions: int
    #: Of the transactions, those that write: each is a commit.
    writes: int


@dataclass(frozen=True, slots=True)
class _Asked:
    thread: str
    #: The crash point that the first thread had passed last.
    after: str
    what: str


class Counted:
    """What was asked between two moments."""

    def __init__(self) -> None:
        self._asked: list[_Asked] = []
        self._after = ""
        self._guard = threading.Lock()
        self._thread = threading.current_thread()
        #: The crash points in the order in which they were passed.
        self.points: list[str] = []
        #: What is done at the first pass of a crash point.
        self.then: dict[str, Callable[[], None]] = {}

    def note(self, what: str) -> None:
        """Note one statement, or the beginning of a transaction."""
        with self._guard:
            self._asked.append(_Asked(threading.current_thread().name, self._after, what))

    def passing(self, point: str) -> None:
        """Begin a new section where the thread that counts passes a crash point."""
        if threading.current_thread() is self._thread:
            with self._guard:
                self.points.append(point)
                self._after = f"{len(self.points)} {point}"
            self.then.pop(point, _nothing)()

    def count(self) -> Count:
        """Count everything but what is done by time alone, and deliveries of webhooks."""
        return _sum(
            one
            for one in self._asked
            if not one.thread.startswith((*doors.BY_TIME, doors.WEBHOOKS))
        )

    def of_webhooks(self) -> Count:
        """Count what the threads that deliver webhooks asked."""
        return _sum(one for one in self._asked if one.thread.startswith(doors.WEBHOOKS))

    def section(self, after: str, until: str, *, nth: int = 1) -> Count:
        """Count what the first thread asked from one crash point, or "" for the start, to another.

        *nth*: of the points named *after*, the so manieth.
        """
        name = self._thread.name
        start = (
            [n for n, point in enumerate(self.points, 1) if point == after][nth - 1] if after else 0
        )
        end = start + self.points[start:].index(until) if until else len(self.points)
        inside = {f"{n} {self.points[n - 1]}" if n else "" for n in range(start, end + 1)}
        return _sum(one for one in self._asked if one.thread == name and one.after in inside)


def _nothing() -> None:
    """Do nothing."""


def _sum(asked: Iterator[_Asked]) -> Count:
    words = [one.what for one in asked]
    begun = words.count("begin")
    opened = sum(word.startswith("BEGIN") for word in words)
    writes = sum(word.startswith(_WRITES) for word in words)
    return Count(len(words) - begun - opened, begun, writes)


class Counter:
    """Listens to every engine of this process, from now on."""

    def __init__(self) -> None:
        self._now: Counted | None = None
        event.listen(Engine, "begin", lambda _: self._note("begin"))
        event.listen(
            Engine, "before_cursor_execute", lambda *asked: self._note(" ".join(asked[2].split()))
        )
        doors.at_crash_points(self._pass)

    @contextlib.contextmanager
    def counted(self) -> Iterator[Counted]:
        """Count what is asked inside the block."""
        self._now = counted = Counted()
        try:
            yield counted
        finally:
            self._now = None

    def _note(self, what: str) -> None:
        if self._now is not None:
            self._now.note(what)

    def _pass(self, point: str) -> None:
        if self._now is not None:
            self._now.passing(point)
