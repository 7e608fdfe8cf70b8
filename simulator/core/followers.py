"""Followers of an account: generated ones, and OpenIDs that were added one by one.

A follower is known by a number: 0 and up for generated ones, -1 and down for the others. So a
list of recipients is one small numpy array whatever they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.core.number_set import NumberSet
from simulator.core.openid_index import OpenIDIndex
from simulator.openid import CHUNK, Generator, Numbers, Rows, unpack_strings

NOBODY = np.iinfo(np.int64).min
_HELPER = 2**31 - 1
_WINDOW = 2**16
#: 2020-01-01, Unix seconds: generated followers came one a second from then on.
_FIRST_CAME_AT = 1_577_836_800


class Followers:
    """The followers of one account."""

    def __init__(self, generator: Generator, *, generated: int = 0) -> None:
        self._generator = generator
        self._left = np.zeros(generated, np.bool_)
        self._others = OpenIDIndex()
        self._others_follow = np.zeros(0, np.bool_)
        self._others_came = np.zeros(0, np.int64)
        self._came_back: dict[int, int] = {}
        self.blocked = NumberSet()
        """Whom the account has put on its blacklist."""
        self.refusing = NumberSet()
        """Who does not want messages to many."""

    def __len__(self) -> int:
        """Return the number of followers now."""
        gone, others = np.count_nonzero(self._left), np.count_nonzero(self._others_follow)
        return int(len(self._left) - gone + others)

    @property
    def helper(self) -> str:
        """The OpenID of the account's group-send helper, who follows nobody (section 6.4)."""
        return unpack_strings(self._generator.rows(np.array([_HELPER], np.uint64)))[0]

    def generate(self, count: int) -> None:
        """Set the generated followers to the first `count` generated OpenIDs."""
        left = np.zeros(count, np.bool_)
        kept = min(count, len(self._left))
        left[:kept] = self._left[:kept]
        self._left = left

    def add(self, rows: Rows, *, moment: float) -> Numbers:
        """Subscribe these OpenIDs, whether they ever followed or not; return who is new."""
        numbers = self.named(rows)
        new = np.unique(numbers[~self.follow(numbers)])
        self._mark(numbers, follows=True)
        self._others_came[-1 - new[new < 0]] = int(moment)
        self._came_back.update(dict.fromkeys(new[new >= 0].tolist(), int(moment)))
        return new

    def remove(self, rows: Rows) -> Numbers:
        """Unsubscribe these OpenIDs; unknown ones stay unknown; return who has left."""
        gone = np.unique(self.among(rows))
        self._mark(gone, follows=False)
        return gone

    def leave(self, numbers: Numbers) -> None:
        """Unsubscribe these, by their numbers."""
        self._mark(numbers, follows=False)

    def came_at(self, number: int) -> int:
        """Return when a follower subscribed, Unix seconds."""
        if number < 0:
            return int(self._others_came[-1 - number])
        return self._came_back.get(number, _FIRST_CAME_AT + number)

    def among(self, rows: Rows) -> Numbers:
        """Return the numbers of those rows that follow the account now, in order."""
        numbers = self.known(rows)
        numbers = numbers[numbers != NOBODY]
        following: Numbers = numbers[self.follow(numbers)]
        return following

    def receiving(self, numbers: Numbers) -> Numbers:
        """Return those whom messages to many reach (section 6.4: FilterCount)."""
        kept: Numbers = numbers[~(self.blocked.holds(numbers) | self.refusing.holds(numbers))]
        return kept

    def named(self, rows: Rows) -> Numbers:
        """Return a number for every row, unknown OpenIDs being given one."""
        numbers = self.known(rows)
        unknown = numbers == NOBODY
        if unknown.any():
            numbers[unknown] = -1 - self._others.add(rows[unknown])
            more = len(self._others) - len(self._others_follow)
            self._others_follow = np.append(self._others_follow, np.zeros(more, np.bool_))
            self._others_came = np.append(self._others_came, np.zeros(more, np.int64))
        return numbers

    def known(self, rows: Rows) -> Numbers:
        """Return each row's number, `NOBODY` where the account does not know it."""
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

    def page(self, after: int | None, *, limit: int) -> Numbers:
        """Return the next followers behind that one, generated ones first."""
        found, missing = [np.empty(0, np.int64)], limit
        start = 0 if after is None else after + 1 if after >= 0 else len(self._left)
        while missing and start < len(self._left):
            window = self._left[start : start + _WINDOW]
            found.append(start + np.flatnonzero(~window)[:missing])
            missing -= len(found[-1])
            start += len(window)
        start = -after if after is not None and after < 0 else 0
        others = start + np.flatnonzero(self._others_follow[start:])[:missing]
        return np.concatenate([*found, -1 - others])

    def part_of(
        self, members: NumberSet, after: int | None, *, limit: int, present: bool = True
    ) -> Numbers:
        """Return the next of some members behind that one; `present`: only who still follows."""
        numbers = members.numbers
        ordered = np.concatenate([numbers[numbers >= 0], numbers[numbers < 0][::-1]])
        if after is not None:
            ordered = ordered[(ordered > after) | (ordered < 0) if after >= 0 else ordered < after]
        return (ordered[self.follow(ordered)] if present else ordered)[:limit]

    def openids(self, numbers: Numbers) -> list[str]:
        """Return the OpenIDs of these numbers; generated ones come first."""
        generated = numbers[numbers >= 0].astype(np.uint64)
        others = self._others.rows()[-1 - numbers[numbers < 0]]
        return unpack_strings(self._generator.rows(generated)) + unpack_strings(others)

    def chunks(self, numbers: Numbers) -> list[Numbers]:
        """Cut a long list of numbers into pieces that `openids` answers quickly."""
        ordered = np.concatenate([numbers[numbers >= 0], numbers[numbers < 0]])
        return [ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)]

    def follow(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Say of each number whether it follows the account now."""
        follow = np.empty(len(numbers), np.bool_)
        generated = numbers >= 0
        follow[generated] = ~self._left[numbers[generated]]
        follow[~generated] = self._others_follow[-1 - numbers[~generated]]
        return follow

    def follows(self, number: int) -> bool:
        """Say whether this one follows the account now."""
        return bool(self.follow(np.array([number], np.int64))[0])

    def _mark(self, numbers: Numbers, *, follows: bool) -> None:
        generated = numbers >= 0
        self._left[numbers[generated]] = not follows
        self._others_follow[-1 - numbers[~generated]] = follows
