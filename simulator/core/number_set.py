"""Sets of followers by their numbers, millions at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.openid import Numbers


class NumberSet:
    """Numbers in ascending order, each of them once."""

    def __init__(self, numbers: Numbers | None = None) -> None:
        self.numbers: Numbers = np.unique(np.empty(0, np.int64) if numbers is None else numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, numbers: Numbers) -> None:
        """Add numbers, whether they are in already or not."""
        self.numbers = np.union1d(self.numbers, numbers)

    def remove(self, numbers: Numbers) -> None:
        """Remove numbers, whether they are in or not."""
        self.numbers = np.setdiff1d(self.numbers, numbers, assume_unique=False)

    def holds(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Say of each number whether it is in."""
        if not len(self):
            return np.zeros(len(numbers), np.bool_)
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self) - 1)
        found: npt.NDArray[np.bool_] = self.numbers[places] == numbers
        return found
