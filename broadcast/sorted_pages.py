"""Pages of OpenIDs in anybody's order become one sorted list, a range of it at a time.

Each page is sorted for itself and read several times: once to see where the OpenIDs lie, once to
see where the ranges begin in it, and once for each range. So memory is bounded by the length of a
range, whatever the pages hold and however they were cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field

import numpy as np
import numpy.typing as npt

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.sorted_openids import IDs, firsts, order, packed, unpacked

#: OpenIDs of one range, about.
RANGE = 150_000
#: One of so many shows where the others lie.
SAMPLED = 100

Pages = Callable[[], Iterable[bytes]]


@frozen
class Range:
    """The OpenIDs of all pages between two places."""

    #: The last OpenID that can be in it; None: whatever is left.
    upto: bytes | None
    #: As the pages have them, one after the other; doubled ones too.
    ids: IDs = field(repr=False)
    #: From which page each came, from 0 on.
    pages: npt.NDArray[np.int64] = field(repr=False)


def ranges(read: Pages, *, beside: IDs | None = None, most: int = RANGE) -> Iterator[Range]:
    """Yield the ranges of pages, in order; there is always one. *read* opens the pages anew.

    *beside*: one of each 100 OpenIDs of another sorted list that is to be cut alike.
    """
    samples = [] if beside is None else [beside]
    size = sum(len(one) * SAMPLED for one in samples)
    for page in read():
        ids = unpacked(page)
        size += len(ids)
        samples.append(ids[::SAMPLED].copy())
    bounds = _bounds(samples, size // most)
    starts = [np.zeros(1, np.int64)] if not len(bounds) else _starts(read, bounds)
    for n in range(len(bounds) + 1):
        upto = bytes(bounds[n]) if n < len(bounds) else None
        yield _range(read, starts, n=n, upto=upto)


def in_order(read: Pages, *, most: int = RANGE) -> Iterator[bytes]:
    """Yield the OpenIDs of pages sorted and each once, packed, a range at a time."""
    for one in ranges(read, most=most):
        ids = one.ids[order(one.ids)]
        ids = ids[firsts(ids)]
        if len(ids):
            yield packed(ids)


def sorted_page(openids: Iterable[str]) -> bytes:
    """Return a page as it is kept: sorted and packed."""
    ids = np.array(list(openids), f"S{openid.LENGTH}")
    return packed(ids[order(ids)])


def _bounds(samples: list[IDs], cuts: int) -> IDs:
    """Return the OpenIDs after which a range ends, so that all are about as long."""
    if not cuts:
        return np.empty(0, f"S{openid.LENGTH}")
    every = np.concatenate(samples)
    every = every[order(every)]
    places = np.linspace(0, len(every), cuts + 1, endpoint=False)[1:].astype(np.int64)
    return np.unique(every[places])


def _starts(read: Pages, bounds: IDs) -> list[npt.NDArray[np.int64]]:
    """Return for each page where its ranges begin."""
    zero = np.zeros(1, np.int64)
    return [
        np.concatenate([zero, np.searchsorted(unpacked(page), bounds, "right")]) for page in read()
    ]


def _range(
    read: Pages, starts: list[npt.NDArray[np.int64]], *, n: int, upto: bytes | None
) -> Range:
    width, found, sizes = openid.PACKED_LENGTH, bytearray(), []
    for number, page in enumerate(read()):
        of_page = starts[min(number, len(starts) - 1)]
        start = int(of_page[n])
        end = int(of_page[n + 1]) if n + 1 < len(of_page) else len(page) // width
        found += page[start * width : end * width]
        sizes.append(end - start)
    return Range(
        upto=upto, ids=unpacked(bytes(found)), pages=np.repeat(np.arange(len(sizes)), sizes)
    )
