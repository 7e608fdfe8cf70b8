"""Sorted lists of OpenIDs as arrays: who of one list is in another, without holding either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from broadcast import openid

IDs: TypeAlias = npt.NDArray[np.bytes_]
Hits: TypeAlias = npt.NDArray[np.bool_]
_ID = np.dtype(f"S{openid.LENGTH}")


def unpacked(packed: bytes) -> IDs:
    """Return packed OpenIDs as an array, whose order is that of ASCII."""
    return np.frombuffer(openid.unpack(packed), _ID)


def packed(ids: IDs) -> bytes:
    """Return an array of OpenIDs as it is stored."""
    return openid.pack(np.ascontiguousarray(ids).tobytes())


def are_in(ids: IDs, others: IDs) -> Hits:
    """Tell of each of *ids* whether it is in *others*; both are sorted."""
    if not len(others):
        return np.zeros(len(ids), bool)
    at = np.minimum(np.searchsorted(others, ids), len(others) - 1)
    return np.asarray(others[at] == ids, bool)


class Stream:
    """A sorted list of OpenIDs in packed pieces, of which one is in hand."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Take the pieces, in order; each is read when the look comes to it."""
        self._pieces = iter(pieces)
        self._held = np.empty(0, _ID)

    def hits(self, ids: IDs) -> Hits:
        """Tell of each of *ids* whether it is in the list; a look goes on where the last ended."""
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
