"""Many runs side by side: a run waits most of its time, for leases to end and waits to pass."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.chaos.site import Site
from tests.chaos.trial import Outcome, run


def run_all(seeds: Iterable[int], *, sites: int) -> Iterator[Outcome]:
    """Yield the outcome of each seed as it comes, with at most so many runs at once."""
    left, guard = iter(seeds), threading.Lock()
    done: queue.Queue[Outcome | None] = queue.Queue()

    def work() -> None:
        try:
            with Site() as site:
                while (seed := _next(left, guard)) is not None:
                    done.put(run(seed, site))
        finally:
            done.put(None)

    with ThreadPoolExecutor(sites) as threads:
        workers = [threads.submit(work) for _ in range(sites)]
        ended = 0
        while ended < sites:
            outcome = done.get()
            if outcome is None:
                ended += 1
            else:
                yield outcome
        for worker in workers:
            # What stopped it is no verdict, but must be seen.
            worker.result()


def _next(left: Iterator[int], guard: threading.Lock) -> int | None:
    with guard:
        return next(left, None)
