"""Heartbeat: one thread a process renews the leases of all lanes that it drives.

A call may take longer than a lease; its driver shows that it lives. A process that dies
stops renewing, and its lanes are free within one lease.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from broadcast.errors import BroadcastError
from models.ledger.lane import leases
from models.ledger.lane.leases import Lease
from models.ledger.rows.lane_rows import LEASE

log = logging.getLogger(__name__)

BEAT_S = LEASE.total_seconds() / 4


class KeptLease:
    """A lane that is being kept. ``lost`` turns true when another driver has it."""

    def __init__(self, acquired: Lease) -> None:
        """*acquired*: the lease as it was acquired."""
        self.acquired = acquired
        self.lost = False


class Heartbeat:
    """Keeps leases alive while they are in use."""

    def __init__(self, engine: Engine) -> None:
        """The thread starts with the first lane."""
        self._engine = engine
        self._leases: set[KeptLease] = set()
        self._guard = threading.Lock()
        self._more = threading.Condition(self._guard)
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, acquired: Lease) -> Iterator[KeptLease]:
        """Renew *acquired* until the block ends; it is lost at once where nothing can renew it."""
        lease = KeptLease(acquired)
        with self._guard:
            self._leases.add(lease)
            lease.lost = not self._beats()
            self._more.notify()
        try:
            yield lease
        finally:
            with self._guard:
                self._leases.discard(lease)

    def _beats(self) -> bool:
        """Return whether the thread is there; the next lane tries it again."""
        if self._thread is None:
            thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                log.error("no lane is driven: its lease cannot be renewed: %s", error)  # noqa: TRY400 - its words say all
                return False
            self._thread = thread
        return True

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            with self._guard:
                while not self._leases:
                    self._more.wait()
            pause.wait(BEAT_S)
            try:
                self.renew()
            except Exception:
                # Without this thread every lane of the process would be lost.
                log.exception("leases of the lanes not renewed, tried again")

    def renew(self) -> None:
        """Renew all leases once; a database that is away is said, and tried again."""
        with self._guard:
            kept = list(self._leases)
        try:
            lost = leases.renew(self._engine, [lease.acquired for lease in kept])
        except BroadcastError as error:
            log.warning("leases of the lanes not renewed, tried again: %s", error)
            return
        for lease in kept:
            lease.lost = lease.lost or lease.acquired.account in lost
