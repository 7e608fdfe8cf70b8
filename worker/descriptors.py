"""Files and connections that a worker may have open at once.

A worker that runs out of them is of no use in ways that nobody foresees: it says that it is ready,
and takes no message. So the limit is raised at the start, or the start is refused.
"""

from __future__ import annotations

import resource

from broadcast.errors import OutOfReachError
from worker.wiring import pool_size

#: Libraries, logs, the broker's connections and pipes.
_BESIDE = 64
#: An SQLite connection is the file, its log and their index; half of the pool's are overflow.
_OF_DATABASE = 3 * 2
#: A task that sends has one to WeChat and one to Redis.
_OF_TASK = 2


def needed(concurrency: int) -> int:
    """Return how many a worker with so many tasks at once may come to need."""
    return _BESIDE + _OF_DATABASE * pool_size(concurrency) + _OF_TASK * concurrency


def allow(concurrency: int) -> None:
    """Raise the limit of this process to that; OutOfReachError where the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(concurrency)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OutOfReachError(
            "error.worker.descriptors", most=hard, needed=wanted, concurrency=concurrency,
            name="BROADCAST_CONCURRENCY",
        )  # fmt: skip
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
