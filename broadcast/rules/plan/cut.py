"""The cut: into which calls a list is cut.

mass/send takes 2 to 10,000 OpenIDs, so 10,001 are 5,001 + 5,000 and never 10,000 + 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from broadcast import openid
from broadcast.frozen import frozen

#: WeChat takes no mass send to fewer OpenIDs (errcode 40130).
SMALLEST = 2
LARGEST = 10_000


def batch_count(size: int, largest: int = LARGEST) -> int:
    """Return how many calls *size* OpenIDs take. Raises ValueError if no legal plan exists."""
    if not SMALLEST <= largest <= LARGEST:
        raise ValueError(f"a batch holds {SMALLEST} to {LARGEST} OpenIDs, not {largest}")
    if size == 1:
        raise ValueError("mass/send takes at least two OpenIDs")
    # Batches of exactly 2 cannot take an odd audience, so the last of them holds 3.
    return min(-(-size // largest), size // SMALLEST)


def cut(size: int, largest: int = LARGEST) -> Iterator[int]:
    """Yield the sizes of the batches: as few as possible, as even as possible, the larger first.

    Even batches, because a remainder of one cannot be sent and a remainder of two hundred would
    cost the same call as ten thousand.
    """
    count = batch_count(size, largest)
    if count:
        small, rest = divmod(size, count)
        yield from (small + 1 for _ in range(rest))
        yield from (small for _ in range(count - rest))


def halves(size: int) -> tuple[int, int]:
    """Return the sizes of the two halves of a batch. Raises ValueError below four OpenIDs."""
    if size < 2 * SMALLEST:
        raise ValueError(f"{size} OpenIDs have no two legal halves")
    return -(-size // 2), size // 2


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
        """Number of OpenIDs."""
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
