"""Recipient chunks: a sorted list of OpenIDs is stored in pieces, and a batch is a range of it.

A batch names a list of its broadcast, where it starts in it and how many OpenIDs it takes. So a
list from which nothing is subtracted is stored once, and the halves of a batch are two ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from broadcast import openid
from broadcast.frozen import frozen

#: OpenIDs in one chunk, 21 bytes each. Chosen by measurement: ``benchmarks/chunks.py``.
CHUNK = 10_000
#: The list as it was given.
ASKED = "asked"
#: What is left of it after subtraction.
LEFT = "left"
#: Of whom a sample is drawn: what is left before that.
KEPT = "kept"


def name_of(what: str, run: str) -> str:
    """Return the list of *what* (LEFT, or a reason) that one run of a subtraction stored."""
    return f"{what}.{run}"


#: The run under which people stand who were taken out of batches after the plan.
SHRUNK = "shrunk"


def own_list(n: int) -> str:
    """Return the list of a batch of its own: people were taken out of it, or joined it."""
    return f"batch:{n}"


@frozen
class Chunk:
    """Some OpenIDs of a sorted list, in order."""

    #: How many OpenIDs of the list come before it.
    start: int
    #: The OpenIDs by ``broadcast.openid.pack``, 21 bytes each.
    packed: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many OpenIDs it holds."""
        return len(self.packed) // openid.PACKED_LENGTH

    @property
    def first(self) -> str:
        """Its first OpenID."""
        return openid.unpack(self.packed[: openid.PACKED_LENGTH]).decode("ascii")

    @property
    def last(self) -> str:
        """Its last OpenID."""
        return openid.unpack(self.packed[-openid.PACKED_LENGTH :]).decode("ascii")


def chunked(packed: Iterable[bytes], *, start: int = 0, most: int = CHUNK) -> Iterator[Chunk]:
    """Yield chunks of *most* OpenIDs from pieces of a packed list of any length."""
    size = most * openid.PACKED_LENGTH
    held = bytearray()
    for piece in packed:
        held += piece
        while len(held) >= size:
            yield Chunk(start=start, packed=bytes(held[:size]))
            start += most
            del held[:size]
    if held:
        yield Chunk(start=start, packed=bytes(held))


def cut_out(chunks: Iterable[tuple[int, bytes]], *, start: int, size: int) -> bytes:
    """Return the packed OpenIDs of a range from the chunks that touch it: (start, packed) each.

    Raises ValueError when they do not cover it: a call to fewer people would forget the others.
    """
    width = openid.PACKED_LENGTH
    found, at = [], start
    for chunk_start, packed in chunks:
        if chunk_start > at:
            break
        piece = packed[(at - chunk_start) * width : (start + size - chunk_start) * width]
        found.append(piece)
        at += len(piece) // width
    if at != start + size:
        raise ValueError(f"the chunks hold {at - start} of {size} OpenIDs from {start} on")
    return found[0] if len(found) == 1 else b"".join(found)
