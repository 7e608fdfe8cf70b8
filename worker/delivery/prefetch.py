"""Prefetch: the next call's body is made while the present call waits for WeChat.

A guess and no more: what was made ready is used only for the very batch that the ledger then names,
and whatever fails here is done again, and reported, where it is needed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from broadcast.errors import OutOfReachError
from models.ledger.lane.next_work import Work
from worker.delivery.ports import MassCall

log = logging.getLogger(__name__)


class Prefetch:
    """Makes one message ahead, in a thread of its own that ends with the block."""

    def __init__(self, make: Callable[[Work], MassCall]) -> None:
        """*make* returns a batch's message."""
        self._make = make
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._made: Future[tuple[Work, MassCall] | None] | None = None

    def __enter__(self) -> Self:
        """Return itself; the thread starts with the first look."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop a message that was prepared for nothing."""
        self._thread.shutdown(cancel_futures=True)

    def prepare_next(self, work: Work) -> None:
        """Begin to prepare the probable message after *work*, if there is a guess."""
        self._made = None
        if work.following is not None:
            # Where no thread can be started, it is made when it is needed.
            with contextlib.suppress(RuntimeError):
                self._made = self._thread.submit(self._ready, work.following)

    def message(self, work: Work) -> MassCall:
        """Return the message of *work*, made ready or made now."""
        made, self._made = self._made, None
        ready = made.result() if made is not None else None
        if ready is not None and _same(ready[0], work):
            return ready[1]
        return self._make(work)

    def _ready(self, work: Work) -> tuple[Work, MassCall] | None:
        try:
            return work, self._make(work)
        except OutOfReachError as error:
            log.debug("batch %s was not prepared ahead: %s", work.n, error)
            return None


def _same(one: Work, other: Work) -> bool:
    """Return whether two looks at the ledger saw the same batch, to be called with the same key."""
    seen = (one.batch_id, one.clientmsgid, one.renewal)
    return seen == (other.batch_id, other.clientmsgid, other.renewal)
