"""A list of OpenIDs that has been read: its figures, and its OpenIDs in chunks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, Self

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.plan.cut import CHUNK, SMALLEST, Chunk


class SortedOpenIDs(Protocol):
    """Store of the sorted OpenIDs of a list."""

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
class OpenIDs:
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
        """Yield the sorted list in chunks of *most*; may be called again."""
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
        """Return the list itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the list."""
        self.close()


def read(
    source: Path | Literal["-"] | BinaryIO | Iterable[str],
    *,
    progress: Callable[[int], None] | None = None,
    least: int = SMALLEST,
) -> OpenIDs:
    """Read *source* to its end and return its list, sorted and without duplicates.

    A path, ``"-"`` (standard input) or a binary stream may hold plain lines, CSV or XLSX, gzipped
    or not; an iterable gives one OpenID an item. *progress* now and then gets the number of lines
    read so far. With fewer than *least* OpenIDs it cannot be used. Close the list, or use it
    as a context manager.

    Raises ``AudienceError``, in one line, when the source cannot be used.
    """
    # numpy costs 15 MB and 0.1 s, which only a process that reads a list should pay.
    from producer.audience.reading import read_source

    return read_source(source, progress=progress, least=least)
