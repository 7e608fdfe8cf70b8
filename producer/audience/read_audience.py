"""An audience that has been read: its figures, and its OpenIDs in chunks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import field
from types import TracebackType
from typing import Protocol, Self

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.plan.cut import CHUNK, Chunk


class SortedOpenIDs(Protocol):
    """Store of the sorted OpenIDs of an audience."""

    def slice(self, start: int, count: int) -> bytes:
        """Return *count* OpenIDs from number *start* on, one behind the other."""

    def close(self) -> None:
        """Free the memory or file; closing twice is harmless."""


@frozen
class Tally:
    """The number of lines that were left out, and the first of them."""

    count: int
    #: Line number in the source (from 1; rows of a workbook, items of an iterable) and its text.
    sample: tuple[tuple[int, str], ...]


@frozen
class Audience:
    """A list of OpenIDs in ASCII order, each once: ``read = malformed + duplicate + planned``."""

    #: Lines that are neither blank nor the header.
    read: int
    malformed: Tally
    #: Each later line of an OpenID that an earlier line already gave.
    duplicate: Tally
    planned: int
    #: SHA-256 in hex over the sorted OpenIDs, one behind the other.
    digest: str
    openids: SortedOpenIDs = field(repr=False, compare=False)

    def chunks(self, most: int = CHUNK) -> Iterator[Chunk]:
        """Yield the sorted audience in chunks of *most*; may be called again."""
        for start in range(0, self.planned, most):
            ids = self.openids.slice(start, min(most, self.planned - start))
            yield Chunk(start=start, packed=openid.pack(ids))

    def beginning_with(self, letter: str) -> int:
        """Count the OpenIDs that begin with *letter*, an ASCII character."""
        first = ord(letter)
        lower, upper = (
            bisect_left(range(self.planned), bound, key=self._first) for bound in (first, first + 1)
        )
        return upper - lower

    def _first(self, number: int) -> int:
        return self.openids.slice(number, 1)[0]

    def close(self) -> None:
        """Drop the temporary file; closing twice is harmless."""
        self.openids.close()

    def __enter__(self) -> Self:
        """Return the audience itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the audience."""
        self.close()
