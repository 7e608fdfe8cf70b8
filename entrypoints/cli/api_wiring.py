"""What the HTTP API takes from outside: WeChat, the broker, and the workers' own code."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from broadcast.errors import BrokerAwayError
from broadcast.rules.accounts import Account
from entrypoints.cli.run import Run
from producer.publish import CeleryWaker

#: A broker that was away is left alone for this long: the sweep wakes for what was stored.
BROKER_REST_S: Final = 2.0


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
        # Another thread may find the broker back meanwhile.
        why = self._why
        if why is not None and time.monotonic() < self._away_until:
            raise BrokerAwayError(why.message_id, **why.facts)
        try:
            yield
        except BrokerAwayError as error:
            self._why, self._away_until = error, time.monotonic() + BROKER_REST_S
            raise
        self._why = None


class Outside:
    """:class:`entrypoints.http.api_parts.Outside`."""

    def __init__(self, run: Run, waker: RestingWaker) -> None:
        """Take the run, and the way to the broker."""
        self._run, self._waker = run, waker

    def status_of_job(self, account: Account, msg_id: int) -> str | None:
        """Return how WeChat says that a job fares; None: it has none. Raises BroadcastError."""
        return self._run.wechat.status_of_job(account, msg_id)

    def heed_followers(self, account: str) -> None:
        """Handle what followers wrote before now. Raises DatabaseAwayError."""
        from producer import pushes  # noqa: PLC0415 - what reads pushes, which few need

        pushes.heed_followers(self._run.engine, account, rules=self._run.settings.rules())

    def missing(self) -> list[str]:
        """Return which parts are away of those that only delay."""
        missing = []
        if self._waker.is_away():
            missing.append("broker")
        if self._run.redis_problem() is not None:
            missing.append("redis")
        return missing
