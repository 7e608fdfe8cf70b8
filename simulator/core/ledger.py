"""Deliveries as they happened: a counter per follower, separate from every HTTP reply."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simulator.openid import Numbers

_Counts = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over an account's ledger."""

    delivered_distinct: int
    delivered_max: int
    doubled: int
    deliveries: int


class _Tally:
    """Two counter arrays that grow: one for numbers from 0 up, one for -1 and down."""

    def __init__(self) -> None:
        self._generated: _Counts = np.zeros(0, np.uint32)
        self._others: _Counts = np.zeros(0, np.uint32)

    def add(self, numbers: Numbers) -> None:
        generated, others = numbers[numbers >= 0], -1 - numbers[numbers < 0]
        self._generated = _grown(self._generated, generated)
        self._others = _grown(self._others, others)
        np.add.at(self._generated, generated, 1)
        np.add.at(self._others, others, 1)

    def remove(self, numbers: Numbers) -> None:
        generated, others = numbers[numbers >= 0], -1 - numbers[numbers < 0]
        np.subtract.at(self._generated, generated, 1)
        np.subtract.at(self._others, others, 1)

    def of(self, numbers: Numbers) -> _Counts:
        counts = np.zeros(len(numbers), np.uint32)
        positions = np.where(numbers >= 0, numbers, -1 - numbers)
        for held, side in ((self._generated, numbers >= 0), (self._others, numbers < 0)):
            counted = side & (positions < len(held))
            counts[counted] = held[positions[counted]]
        return counts

    def numbers(self) -> Numbers:
        others = -1 - np.flatnonzero(self._others)
        return np.concatenate([np.flatnonzero(self._generated), others])

    def totals(self) -> Totals:
        both = (self._generated, self._others)
        return Totals(
            delivered_distinct=sum(int(np.count_nonzero(counts)) for counts in both),
            delivered_max=max(int(counts.max(initial=0)) for counts in both),
            doubled=sum(int(np.count_nonzero(counts > 1)) for counts in both),
            deliveries=sum(int(counts.sum(dtype=np.int64)) for counts in both),
        )


def _grown(counts: _Counts, positions: Numbers) -> _Counts:
    needed = int(positions.max(initial=-1)) + 1
    if needed <= len(counts):
        return counts
    grown = np.zeros(max(needed, len(counts) * 3 // 2), np.uint32)
    grown[: len(counts)] = counts
    return grown


@dataclass(slots=True)
class Ledger:
    """Counts of one account by follower number (see `simulator.core.followers`)."""

    _ever: _Tally = field(default_factory=_Tally)
    _this_month: _Tally = field(default_factory=_Tally)
    _month: int = 0

    def below_cap(self, numbers: Numbers, *, month: int, cap: int) -> Numbers:
        """Return those who got fewer than `cap` messages in this month; 0 means no cap."""
        self._turn(month)
        return numbers[self._this_month.of(numbers) < cap] if cap else numbers

    def deliver(self, numbers: Numbers, *, month: int) -> None:
        """Count one delivery for each number, two where it stands there twice."""
        self._turn(month)
        self._ever.add(numbers)
        self._this_month.add(numbers)

    def take_back(self, numbers: Numbers, *, month: int) -> None:
        """Undo a delivery of that month."""
        self._ever.remove(numbers)
        if month == self._month:
            self._this_month.remove(numbers)

    def counts(self, numbers: Numbers) -> _Counts:
        """Return the number of deliveries to each of these."""
        return self._ever.of(numbers)

    def delivered(self) -> Numbers:
        """Return the numbers of all who ever got something."""
        return self._ever.numbers()

    def totals(self) -> Totals:
        """Return the account's totals."""
        return self._ever.totals()

    def _turn(self, month: int) -> None:
        if month != self._month:
            self._month, self._this_month = month, _Tally()


def totals_of(deliveries: list[Numbers]) -> Totals:
    """Return the totals of some jobs alone, given the followers whom each one reached."""
    tally = _Tally()
    for numbers in deliveries:
        tally.add(numbers)
    return tally.totals()
