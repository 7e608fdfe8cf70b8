"""The pace of one account's calls, across the whole fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.tokens.redis_access import Keys, Script

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection

_US = 1_000_000


class Limiter:
    """Evenly spaced slots per account, counted by Redis's clock (GCRA with a burst of one).

    Fails closed: without Redis there is no slot. Thread-safe and fork-safe.

    Warning: it paces slots, not arrivals at WeChat. A caller that dawdles between its slot and its
    call can come closer to the next one; a network can bunch calls. After an emptied or failed-over
    Redis, or a clock of Redis set back or forth, one slot may come early. A reply lost on the way
    from Redis wastes a slot. Waiters are not queued: who asks first after the pause gets the slot
    (each account's lane has one caller at a time).
    """

    def __init__(self, redis: Connection, *, keys: Keys | None = None) -> None:
        """Take a connection from ``broadcast.tokens.redis_access.connect``."""
        self._keys = keys or Keys()
        self._take = Script(redis, "limiter")

    def take_slot(self, account: str, per_minute: int) -> float:
        """Return 0.0 if a slot was taken now, else the seconds to wait before asking again.

        At most *per_minute* slots in any 60 s. 0 is no pacing: it asks nobody.

        Raises:
            RedisAwayError: Redis is away, so there is no slot.
            ValueError: *per_minute* is negative.
        """
        if per_minute < 0:
            message = f"calls per minute cannot be negative: {per_minute}"
            raise ValueError(message)
        if per_minute == 0:
            return 0.0
        return int(self._take([self._keys.limiter(account)], [per_minute])) / _US
