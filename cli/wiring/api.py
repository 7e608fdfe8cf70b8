"""What the HTTP API takes from outside: WeChat, the broker, and the workers' own code."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from broadcast import day, plan
from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.errors import BroadcastError, BrokerAwayError
from cli.wiring.run import Run
from producer.publish import CeleryWaker

#: An answer of WeChat's so old still serves: each plan is proved again before its first call.
QUOTA_FRESH_S: Final = 2.0
#: One so old serves while the next is being asked for, so that nobody waits for WeChat.
QUOTA_USABLE_S: Final = 5.0
#: Who comes within this after WeChat gave no answer goes on without one while it is asked anew.
SILENT_S: Final = 60.0
#: Who comes while WeChat is being asked goes on without after this.
_WAIT_S: Final = 1.0
#: A broker that was away is left alone for this long: the sweep wakes for what was stored.
BROKER_REST_S: Final = 2.0


@dataclass(slots=True)
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    said: plan.Quota | None = None
    answered_at: float = -math.inf
    #: In Shanghai: the calls of a day that is over are gone.
    day: date | None = None

    def is_good_for(self, seconds: float) -> bool:
        return time.monotonic() - self.answered_at < seconds and self.day == _today()


class SharedQuota:
    """:class:`producer.prepare.QuotaSource` for many requests at once: WeChat is asked once."""

    def __init__(self, run: Run) -> None:
        """Take the way to WeChat."""
        self._run = run
        self._lock = threading.Lock()
        self._known: dict[tuple[str, SendPath], _Known] = {}

    def quota(self, account: Account, path: SendPath) -> plan.Quota | None:
        """Return WeChat's answer of the last seconds, or None where none can be had now."""
        with self._lock:
            known = self._known.setdefault((account.name, path), _Known())
        if known.is_good_for(QUOTA_FRESH_S):
            return known.said
        if known.is_good_for(SILENT_S if known.said is None else QUOTA_USABLE_S):
            self._renew_aside(known, account, path)
            return known.said
        if not known.lock.acquire(timeout=_WAIT_S):
            return None
        try:
            if not known.is_good_for(QUOTA_FRESH_S):
                self._renew(known, account, path)
            return known.said
        finally:
            known.lock.release()

    def _renew_aside(self, known: _Known, account: Account, path: SendPath) -> None:
        """Ask in a thread of its own, unless somebody asks."""

        def renew() -> None:
            try:
                self._renew(known, account, path)
            finally:
                known.lock.release()

        if not known.lock.acquire(blocking=False):
            return
        try:
            threading.Thread(target=renew, name="quota", daemon=True).start()
        except RuntimeError:
            # No thread more in this process: who comes later asks.
            known.lock.release()

    def _renew(self, known: _Known, account: Account, path: SendPath) -> None:
        # From before it is asked: it may take its time to answer, even over midnight.
        today = _today()
        known.said, known.day = self._asked(account, path), today
        known.answered_at = time.monotonic()

    def _asked(self, account: Account, path: SendPath) -> plan.Quota | None:
        try:
            return self._run.wechat.quota(account, path)
        except BroadcastError:
            # What is stored is proved before its first call; its answer says so.
            return None


def _today() -> date:
    return datetime.now(UTC).astimezone(day.SHANGHAI).date()


class RestingWaker:
    """Wakes workers; leaves a broker that was away alone for a while, so that nobody waits for it.

    What is stored meanwhile is found by the sweep.
    """

    def __init__(self, waker: CeleryWaker) -> None:
        """Take the way to the broker."""
        self._waker = waker
        self._away_until = 0.0
        self._why: BrokerAwayError | None = None

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast. Raises BrokerAwayError."""
        with self._resting():
            self._waker.wake_planner(broadcast_id)

    def wake_lane(self, account: str, broadcast_id: str) -> None:
        """Ask a worker to drive a lane. Raises BrokerAwayError."""
        with self._resting():
            self._waker.wake_lane(account, broadcast_id)

    def wake_for_webhooks(self) -> None:
        """Ask a worker to deliver webhooks. Raises BrokerAwayError."""
        with self._resting():
            self._waker.wake_for_webhooks()

    def is_away(self) -> bool:
        """Return whether the broker cannot be reached."""
        try:
            with self._resting():
                self._waker.connect()
        except BrokerAwayError:
            return True
        return False

    @contextlib.contextmanager
    def _resting(self) -> Iterator[None]:
        if self._why is not None and time.monotonic() < self._away_until:
            raise BrokerAwayError(self._why.message_id, **self._why.facts)
        try:
            yield
        except BrokerAwayError as error:
            self._why, self._away_until = error, time.monotonic() + BROKER_REST_S
            raise
        self._why = None


class Outside:
    """:class:`api.parts.Outside`."""

    def __init__(self, run: Run, waker: RestingWaker) -> None:
        """Take the run, and the way to the broker."""
        self._run, self._waker = run, waker

    def status_of_job(self, account: Account, msg_id: int) -> str | None:
        """Return how WeChat says that a job fares; None: it has none. Raises BroadcastError."""
        return self._run.wechat.status_of_job(account, msg_id)

    def heed_followers(self, account: str) -> None:
        """Handle what followers wrote before now. Raises DatabaseAwayError."""
        from worker import pushes  # noqa: PLC0415 - what reads pushes, which few need

        pushes.heed_followers(self._run.engine, account, rules=self._run.settings.rules())

    def missing(self) -> list[str]:
        """Return which parts are away of those that only delay."""
        missing = []
        if self._waker.is_away():
            missing.append("broker")
        if self._run.redis_problem() is not None:
            missing.append("redis")
        return missing
