"""Subtraction: whom a plan leaves out of the list that was asked for, and why.

The plan runs before any call, so it may leave out whomever it likes. Afterwards a batch without an
attempt may still shrink (:func:`rearrange`); one with an attempt never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from broadcast.frozen import frozen
from broadcast.plan.cut import LARGEST, SMALLEST
from broadcast.reports import SKIPS

#: Reasons for which a plan leaves somebody out; the other ones are found while a list is read.
REASONS = tuple(reason for reason in SKIPS if reason not in {"malformed", "duplicate"})


@frozen
class Removal:
    """People who are left out for one reason. Who is in several removals counts for the first."""

    reason: str
    #: Packed OpenIDs in pieces of any length, sorted by ASCII, which packed bytes are not.
    pieces: Iterable[bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a reason that has no figure."""
        if self.reason not in REASONS:
            raise ValueError(f"nobody is left out as {self.reason!r}")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One person moves from a batch to another; both have no attempt."""

    giver: int
    taker: int


@frozen
class Rearranged:
    """What becomes of batches that shrank."""

    transfers: list[Transfer] = field(default_factory=list)
    #: Nobody is left in them.
    gone: list[int] = field(default_factory=list)
    #: One person is left, who cannot be sent to and finds no other batch.
    too_few: list[int] = field(default_factory=list)


def rearrange(left: Mapping[int, int], *, largest: int = LARGEST) -> Rearranged:
    """Return what becomes of batches without an attempt, by number, of which so many are left.

    mass/send takes no single person: who is left alone joins another batch; where all are full, one
    of them gives a person instead.
    """
    found = Rearranged()
    sizes = dict(sorted(left.items()))
    for n in list(sizes):
        if sizes[n] != 1:
            continue
        others = [other for other, size in sizes.items() if other != n and size]
        room = next((other for other in others if sizes[other] < largest), None)
        giver = next((other for other in others if sizes[other] > SMALLEST), None)
        if room is not None:
            move = Transfer(n, room)
        elif giver is not None:
            move = Transfer(giver, n)
        else:
            found.too_few.append(n)
            continue
        sizes[move.giver] -= 1
        sizes[move.taker] += 1
        found.transfers.append(move)
    found.gone.extend(n for n, size in sizes.items() if not size)
    return found
