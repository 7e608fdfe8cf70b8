"""The mark of the last sweep in Redis: whether beat wakes, and a worker hears it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection, Keys

#: After that it makes no difference.
_KEPT: Final = timedelta(days=7)


class SweepMark:
    """The mark of one installation, by Redis's clock. Each method raises RedisAwayError."""

    def __init__(self, redis: Connection, *, keys: Keys) -> None:
        """Connect to nothing yet."""
        self._redis, self._key = redis, keys.sweep()

    def note(self) -> None:
        """Note that a sweep runs."""
        kept_ms = _KEPT // timedelta(milliseconds=1)
        self._redis.execute_command("SET", self._key, "1", "PX", kept_ms)

    def age(self) -> timedelta:
        """Return how long ago the last sweep was, a week at most; so, too, of an emptied Redis."""
        left_ms = int(self._redis.execute_command("PTTL", self._key))
        return _KEPT - timedelta(milliseconds=max(left_ms, 0))
