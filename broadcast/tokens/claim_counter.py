"""The counts of each lane's claims, and of workers' notes, outside of the database.

A restored database is behind them. The notes are counted beside the claims, also while nothing is
called: what people cancelled or stopped meanwhile is lost with them.

They only ever grow. Redis may lose them: then there is no count, and calls wait until the worker
knows that the database is the right one (``broadcast.rules.gates.restore_guard``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from broadcast.rules.gates.restore_guard import Counts
from broadcast.tokens.redis_access import Script

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection, Keys

#: The script says the same: beyond it Redis's numbers are not exact.
_MOST: Final = 2**53
#: The field of the notes; no account has this name.
_NOTES: Final = "*"
_COUNT: Final = re.compile(rb"(\d{1,16}) ")


class ClaimCounter:
    """The counts of one installation, by account. Thread-safe and fork-safe: it holds no state.

    Each method raises RedisAwayError.
    """

    def __init__(self, redis: Connection, *, keys: Keys, installation: str) -> None:
        """*installation*: the id of the database, which a copy of it has as well."""
        self._redis = redis
        self._key = keys.claims(installation)
        self._raise = Script(redis, "claim_counter")

    def read(self) -> Counts:
        """Return the newest numbers; what somebody else wrote is no count."""
        counts: Mapping[bytes, bytes] = self._redis.execute_command("HGETALL", self._key)
        found = {account.decode(): _COUNT.match(count) for account, count in counts.items()}
        numbers = {account: int(count[1]) for account, count in found.items() if count}
        claims = {account: number for account, number in numbers.items() if number <= _MOST}
        notes = claims.pop(_NOTES, None)
        return Counts(claims=claims, notes=notes)

    def count(self, account: str, number: int, claim: str) -> bool:
        """Count a claim; return False where it is not newer than the last, or there is no count."""
        return bool(self._raise([self._key], [account, number, claim, 0]))

    def begin(self, account: str, number: int) -> None:
        """Begin to count an account's claims at *number*; never lower a count."""
        self._raise([self._key], [account, number, "-", 1])

    def note(self, number: int) -> None:
        """Count a note of a worker; never lower the count."""
        self.begin(_NOTES, number)
