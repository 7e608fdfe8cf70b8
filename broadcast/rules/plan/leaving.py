"""Removal of OpenIDs from a sorted list, a piece at a time; and samples.

A sample is the people with the lowest scores. A score depends on the seed and the OpenID alone, so
that somebody who comes or goes changes nobody else's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from broadcast.rules.plan.cut import LEFT
from broadcast.rules.plan.selection import Removal, Sample
from broadcast.sorted_openids import Hits, IDs, Stream

Scores: TypeAlias = npt.NDArray[np.uint64]
_WORDS: Final = 7  # of four bytes each
_STEPS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def parts(pieces: Iterable[IDs], removals: Sequence[Removal]) -> Iterator[list[tuple[str, IDs]]]:
    """Yield for each piece who is removed by reason, in the order of the removals, and who is left.

    Each list that comes of it is sorted, also where several removals have the same reason.
    """
    searches = [(one.reason, _search(one)) for one in removals]
    for ids in filter(len, pieces):
        left, out = np.ones(len(ids), bool), dict[str, npt.NDArray[np.bool_]]()
        for reason, search in searches:
            hits = search(ids) & left
            left &= ~hits
            out[reason] = out[reason] | hits if reason in out else hits
        found = [(reason, ids[hits]) for reason, hits in out.items() if hits.any()]
        yield [*found, (LEFT, ids[left])]


def _search(removal: Removal) -> Callable[[IDs], Hits]:
    """Return what says which OpenIDs of the next piece a removal names."""
    if (among := removal.among) is None:
        return Stream(removal.pieces).hits

    def hits(ids: IDs) -> Hits:
        found = among(ids.tolist())
        return np.isin(ids, np.array(list(found), ids.dtype))

    return hits


def scores(ids: IDs, seed: str) -> Scores:
    """Return the scores of some OpenIDs, spread evenly over all 64-bit numbers."""
    words = np.ascontiguousarray(ids).view("<u4").reshape(len(ids), _WORDS)
    state = np.full(len(ids), int(seed, 16), np.uint64)
    for n in range(_WORDS):
        state = _mixed(state ^ words[:, n].astype(np.uint64))
    return state


def _mixed(state: Scores) -> Scores:
    """Mix as splitmix64 does: one bit of the input changes about half of the result's."""
    state = state + _GOLDEN
    for shift, factor in _STEPS:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state


def drawn(listed: Callable[[], Iterable[IDs]], sample: Sample) -> Iterator[IDs]:
    """Yield who of a list is in a sample; it is read twice."""
    there = [scores(ids, sample.seed) for ids in listed()]
    size = sample.size_among(sum(map(len, there)))
    if size:
        highest = highest_of(there, size)
        for ids, each in zip(listed(), there, strict=True):
            yield ids[each <= highest]


def highest_of(all_scores: Sequence[Scores], size: int) -> np.uint64:
    """Return the highest score that a sample of *size* people holds, at least one."""
    every = np.concatenate(all_scores)
    return np.uint64(np.partition(every, size - 1)[size - 1])
