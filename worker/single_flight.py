"""Wakes for what this process is doing already, and which therefore must not take a thread.

Everybody wakes again for what is not done yet. Where WeChat takes half a minute to answer one
account, its wakes would come faster than they end, and take the threads of all other accounts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_under_way: set[tuple[str, str]] = set()


@contextmanager
def alone(task: str, of: str) -> Iterator[bool]:
    """Return whether nobody else in this process does *task* for *of*; nobody begins meanwhile."""
    work = (task, of)
    with _guard:
        first = work not in _under_way
        _under_way.add(work)
    try:
        yield first
    finally:
        if first:
            with _guard:
                _under_way.discard(work)
