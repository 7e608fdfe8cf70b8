"""The circuit breaker: after how many failures of one kind calls stop automatically.

A list of another account is refused batch by batch, and each refusal costs a call of the day; an
account whose replies cannot be trusted makes one doubt after the other, and each costs a person's
time. After a few of them nothing more is called until a person has looked.
"""

from __future__ import annotations

from broadcast.frozen import frozen


@frozen
class CircuitBreaker:
    """How many batches it takes; 0 switches a guard off."""

    #: Batches of one broadcast that were refused with the same errcode.
    refusals: int = 3
    #: Batches of one account that ended in doubt.
    doubts: int = 3

    def pauses(self, *, refused: int, waiting: bool) -> bool:
        """Return whether *refused* alike batches pause a broadcast, while others may be *waiting*.

        Where nothing waits there is nothing to be saved from the same end.
        """
        return waiting and _reached(refused, self.refusals)

    def stops(self, *, doubts: int) -> bool:
        """Return whether an account is stopped after so many *doubts*."""
        return _reached(doubts, self.doubts)


def _reached(count: int, limit: int) -> bool:
    return 0 < limit <= count
