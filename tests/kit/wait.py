"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class HasDescriptor(Protocol):
        def fileno(self) -> int: ...


FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
#: A busy machine takes so many times what the tests allow.
BUSY = 4

T = TypeVar("T")


def can_read(source: int | HasDescriptor, timeout_s: float | None = None) -> bool:
    """Wait until *source* has something to read, or has ended; False: not in so many seconds."""
    # Not select(), which knows no descriptor above 1,023.
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


def patiently(timeout_s: float) -> float:
    """Return how long is waited at most for what takes less than `timeout_s` seconds by itself."""
    return BUSY * timeout_s


def until(
    predicate: Callable[[], T], timeout_s: float, what: str, *, pause_s: float = LONGEST_PAUSE_S
) -> T:
    """Return the first truthy value of `predicate`; fail the test when that takes too long.

    `timeout_s` is more than it takes on a machine with nothing else to do; a busy one is given
    `BUSY` times as much. `what` completes the sentence "Waited 5 s in vain for ...". It looks at
    least every `pause_s` seconds, which is for looks that cost next to nothing. What the
    predicate said last, be it a value or an exception, is part of the failure: it is usually the
    explanation. An exception counts as "not yet", because a server that is starting refuses
    connections.

    Raises:
        AssertionError: the deadline passed.
    """
    limit_s = patiently(timeout_s)
    deadline = time.monotonic() + limit_s
    next_s = FIRST_PAUSE_S
    while True:
        failure: Exception | None = None
        try:
            value = predicate()
            if value:
                return value
            last = f"the last value was {value!r}"
        except Exception as error:  # noqa: BLE001 - the deadline decides, and it is reported
            failure, last = error, f"the last try raised {error!r}"
        if time.monotonic() >= deadline:
            message = f"Waited {limit_s:g} s in vain for {what}; {last}"
            raise AssertionError(message) from failure
        time.sleep(next_s)
        next_s = min(next_s * 1.5, pause_s)
