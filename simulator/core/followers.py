"""Who follows an account: generated followers, and OpenIDs that were added one by one.

A follower is known by a number: 0 and up for generated ones, -1 and down for the others. So a
list of recipients is one small numpy array whatever they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.core.openid_index import OpenIDIndex
from simulator.openid import CHUNK, Generator, Numbers, Rows, unpack_strings

NOBODY = np.iinfo(np.int64).min
_HELPER = 2**31 - 1


class Followers:
    """The followers of one account."""

    def __init__(self, generator: Generator, *, generated: int = 0) -> None:
        self._generator = generator
        self._left = np.zeros(generated, np.bool_)
        self._others = OpenIDIndex()
        self._others_follow = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        """How many follow the account now."""
        return int(len(self._left) - self._left.sum() + self._others_follow.sum())

    @property
    def helper(self) -> str:
        """The OpenID of the account's group-send helper, who follows nobody (section 6.4)."""
        return unpack_strings(self._generator.rows(np.array([_HELPER], np.uint64)))[0]

    def generate(self, count: int) -> None:
        """Let the first `count` generated OpenIDs be the generated followers."""
        left = np.zeros(count, np.bool_)
        kept = min(count, len(self._left))
        left[:kept] = self._left[:kept]
        self._left = left

    def add(self, rows: Rows) -> None:
        """Let these OpenIDs follow, whether they ever did or not."""
        self._mark(self.named(rows), follows=True)

    def remove(self, rows: Rows) -> None:
        """Let these OpenIDs unsubscribe; unknown ones stay unknown."""
        numbers = self.known(rows)
        self._mark(numbers[numbers != NOBODY], follows=False)

    def among(self, rows: Rows) -> Numbers:
        """Return the numbers of those rows that follow the account now, in order."""
        numbers = self.known(rows)
        numbers = numbers[numbers != NOBODY]
        following: Numbers = numbers[self._follow(numbers)]
        return following

    def named(self, rows: Rows) -> Numbers:
        """Return a number for every row, unknown OpenIDs being given one."""
        numbers = self.known(rows)
        unknown = numbers == NOBODY
        if unknown.any():
            numbers[unknown] = -1 - self._others.add(rows[unknown])
            follow = np.zeros(len(self._others), np.bool_)
            follow[: len(self._others_follow)] = self._others_follow
            self._others_follow = follow
        return numbers

    def known(self, rows: Rows) -> Numbers:
        """Return each row's number, `NOBODY` where the account never heard of it."""
        numbers = self._generator.numbers(rows)
        foreign = (numbers < 0) | (numbers >= len(self._left))
        numbers[foreign] = NOBODY
        if len(self._others) and foreign.any():
            found = self._others.find(rows[foreign])
            numbers[foreign] = np.where(found < 0, NOBODY, -1 - found)
        return numbers

    def everyone(self) -> Numbers:
        """Return the numbers of all who follow the account now."""
        generated = np.flatnonzero(~self._left)
        return np.concatenate([generated, -1 - np.flatnonzero(self._others_follow)])

    def openids(self, numbers: Numbers) -> list[str]:
        """Return the OpenIDs of these numbers; generated ones come first."""
        generated = numbers[numbers >= 0].astype(np.uint64)
        others = self._others.rows()[-1 - numbers[numbers < 0]]
        return unpack_strings(self._generator.rows(generated)) + unpack_strings(others)

    def chunks(self, numbers: Numbers) -> list[Numbers]:
        """Cut a long list of numbers into pieces that `openids` answers quickly."""
        ordered = np.concatenate([numbers[numbers >= 0], numbers[numbers < 0]])
        return [ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)]

    def _follow(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        follow = np.empty(len(numbers), np.bool_)
        generated = numbers >= 0
        follow[generated] = ~self._left[numbers[generated]]
        follow[~generated] = self._others_follow[-1 - numbers[~generated]]
        return follow

    def _mark(self, numbers: Numbers, *, follows: bool) -> None:
        generated = numbers >= 0
        self._left[numbers[generated]] = not follows
        self._others_follow[-1 - numbers[~generated]] = follows
