"""The cut: into which calls a list is cut.

mass/send takes 2 to 10,000 OpenIDs, so 10,001 are 5,001 + 5,000 and never 10,000 + 1.
"""

from __future__ import annotations

from collections.abc import Iterator

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
