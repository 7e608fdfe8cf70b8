"""Sorted lists of OpenIDs as arrays: who of one list is in another, without holding either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from broadcast import openid
from broadcast.frozen import frozen

IDs: TypeAlias = npt.NDArray[np.bytes_]
Hits: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int64]
_ID = np.dtype(f"S{openid.LENGTH}")
_KEY = np.dtype(">u8")


def unpacked(packed: bytes) -> IDs:
    """Return packed OpenIDs as an array, whose order is that of ASCII."""
    return np.frombuffer(openid.unpack(packed), _ID)


def packed(ids: IDs) -> bytes:
    """Return an array of OpenIDs as it is stored."""
    return openid.pack(np.ascontiguousarray(ids).tobytes())


def are_in(ids: IDs, others: IDs) -> Hits:
    """Return for each of *ids* whether it is in *others*; both are sorted."""
    if not len(others):
        return np.zeros(len(ids), bool)
    at = np.minimum(np.searchsorted(others, ids), len(others) - 1)
    return np.asarray(others[at] == ids, bool)


def firsts(ids: IDs) -> Hits:
    """Return for each of the sorted *ids* whether it is the first of its kind."""
    found = np.ones(len(ids), np.bool_)
    found[1:] = ids[1:] != ids[:-1]
    return found


def order(ids: IDs) -> Places:
    """Return the order that sorts *ids*, equal ones in the order in which they stand.

    Comparing numbers is ten times faster than comparing texts: the eight bytes behind what all
    OpenIDs of an account have in common are a number that distinguishes nearly all of them. Only
    where it does not are the texts themselves compared.
    """
    if len(ids) < 2:  # noqa: PLR2004 - nothing to sort
        return np.arange(len(ids))
    keys = _keys(ids.view(np.uint8).reshape(-1, openid.LENGTH))
    ordered = keys.argsort()
    tied = keys[ordered]
    same = tied[1:] == tied[:-1]
    if same.any():
        places = np.flatnonzero(np.append(same, False) | np.append(False, same))
        among = np.sort(ordered[places])
        ordered[places] = among[ids[among].argsort(kind="stable")]
    return ordered


def _keys(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Return a number for each row that grows as its text does."""
    start, last = 0, openid.LENGTH - _KEY.itemsize
    while start < last and (rows[:, start] == rows[0, start]).all():
        start += 1
    part = np.ascontiguousarray(rows[:, start : start + _KEY.itemsize])
    return part.view(_KEY).ravel().astype(np.uint64)


class Stream:
    """A sorted list of OpenIDs in packed pieces, of which one is in hand."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Take the pieces, in order; each is read when the look comes to it."""
        self._pieces = iter(pieces)
        self._held = np.empty(0, _ID)

    def hits(self, ids: IDs) -> Hits:
        """Return for each of *ids* whether it is in the list; continue after the last call."""
        found = np.zeros(len(ids), bool)
        while True:
            upto = int(np.searchsorted(self._held, ids[-1], "right"))
            found |= are_in(ids, self._held[:upto])
            self._held = self._held[upto:]
            if len(self._held):
                return found
            piece = next(self._pieces, None)
            if piece is None:
                return found
            self._held = unpacked(piece)


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
