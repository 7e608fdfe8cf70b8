"""Selection of an audience: exclusions, a sample, unsubscribed followers, suppression.

A selection is a part of what was asked for. What it names is resolved by the plan, but for a file,
which is read and stored at the submit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final

from broadcast.digests import sha256
from broadcast.frozen import frozen
from broadcast.rules.plan.cut import LARGEST, SMALLEST
from broadcast.rules.reports import SKIPS

#: ``N`` or ``P%``, at most three digits behind the point.
_SIZE: Final = re.compile(r"(?P<number>\d{1,9}(\.\d{1,3})?)(?P<percent>%?)", re.ASCII)
_WHOLE: Final = Decimal(100)


#: Kind of an exclusion.
Excluded = StrEnum("Excluded", "FILE TAG BROADCAST")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Exclusion:
    """People who are left out: those of a list, with a tag, or of another broadcast."""

    kind: Excluded
    #: The digest of a list that was given, the id of a tag or of a broadcast.
    value: str


@frozen
class Sample:
    """Size of a sample of those who are left, and the seed that decides who is in it."""

    #: ``N`` or ``P%``.
    size: str
    #: 16 hexadecimal digits; the same key of the same account makes the same.
    seed: str

    def size_among(self, left: int) -> int:
        """Return how many of *left* people are in the sample."""
        number = Decimal(self.size.removesuffix("%"))
        if self.size.endswith("%"):
            number = (number * left / _WHOLE).quantize(Decimal(1), ROUND_HALF_UP)
        return min(left, int(number))


def checked_size(text: str) -> str:
    """Return the size of a sample in its one form. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no sample")
    number = Decimal(found["number"]).normalize()
    if found["percent"]:
        if not 0 < number <= _WHOLE:
            raise ValueError(f"{text!r} is no share")
        return f"{number:f}%"
    if number != int(number) or number < SMALLEST:
        raise ValueError(f"{text!r} is no number of people")
    return str(int(number))


def seed_of(*, appid: str, key: str) -> str:
    """Return the seed of a sample: the same key gives the same sample."""
    return sha256(f"sample\n{appid}\n{key}")[:16]


@frozen
class Selection:
    """Selected part of an audience; by default everybody who is not suppressed."""

    #: Sorted, each once.
    exclude: tuple[Exclusion, ...] = ()
    #: Who is known to have unsubscribed is left out.
    only_current: bool = False
    sample: Sample | None = None
    #: Who is suppressed gets it too: whoever submits it said so.
    ignore_suppression: bool = False

    @property
    def is_plain(self) -> bool:
        """True if nothing was said: then nothing is stored."""
        return self == EVERYBODY

    @property
    def narrows(self) -> bool:
        """True if it names people who are left out; of WeChat's own lists nobody can be."""
        return bool(self.exclude or self.only_current or self.sample)

    def value(self) -> dict[str, Any]:
        """Return it as JSON has it: what was said, and no more."""
        said: dict[str, Any] = {}
        if self.exclude:
            said["exclude"] = [f"{one.kind}:{one.value}" for one in self.exclude]
        if self.only_current:
            said["only_current"] = True
        if self.sample is not None:
            said["sample"] = {"size": self.sample.size, "seed": self.sample.seed}
        if self.ignore_suppression:
            said["ignore_suppression"] = True
        return said

    @property
    def stored(self) -> str | None:
        """Canonical JSON, as a row keeps it."""
        if self.is_plain:
            return None
        return json.dumps(self.value(), sort_keys=True, separators=(",", ":"))

    @property
    def share_digest(self) -> str | None:
        """Digest that differs between two parts of one audience, but not with the seed."""
        if not (self.exclude or self.sample):
            return None
        said = [*self.value().get("exclude", ()), self.sample and self.sample.size]
        return sha256(json.dumps(said))


EVERYBODY: Final = Selection()


def parse(stored: str | None) -> Selection:
    """Return a selection from its row. Raises ValueError, KeyError or TypeError for another's."""
    if stored is None:
        return EVERYBODY
    said: Mapping[str, Any] = json.loads(stored)
    known = {"exclude", "only_current", "sample", "ignore_suppression"}
    if unknown := set(said) - known:
        raise ValueError(f"a selection of another release: {sorted(unknown)}")
    sample = said.get("sample")
    return Selection(
        exclude=tuple(map(_exclusion, said.get("exclude", ()))),
        only_current=said.get("only_current", False),
        sample=None if sample is None else Sample(size=sample["size"], seed=sample["seed"]),
        ignore_suppression=said.get("ignore_suppression", False),
    )


def _exclusion(text: str) -> Exclusion:
    kind, _, value = text.partition(":")
    return Exclusion(kind=Excluded(kind), value=value)


#: How the names of the lists begin that hold the files of exclusions.
EXCLUDED_LISTS: Final = "exclude:"


def excluded_list(n: int) -> str:
    """Return the list of a broadcast that holds its exclusion number *n*, that of a file."""
    return f"{EXCLUDED_LISTS}{n}"


#: Reasons for which a plan leaves somebody out; the other ones are found while a list is read.
REASONS = tuple(reason for reason in SKIPS if reason not in {"malformed", "duplicate"})


@frozen
class Removal:
    """People who are left out for one reason. Who is in several removals counts for the first."""

    reason: str
    #: Packed OpenIDs in pieces of any length, sorted by ASCII, which packed bytes are not.
    pieces: Iterable[bytes] = field(default=(), repr=False)
    #: In the place of *pieces*: which of some OpenIDs these are.
    among: Callable[[Iterable[bytes]], Collection[bytes]] | None = field(default=None, repr=False)

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
    """New cut of batches that shrank."""

    transfers: list[Transfer] = field(default_factory=list)
    #: Nobody is left in them.
    gone: list[int] = field(default_factory=list)
    #: One person is left, who cannot be sent to and finds no other batch.
    too_few: list[int] = field(default_factory=list)


def rearrange(left: Mapping[int, int], *, largest: int = LARGEST) -> Rearranged:
    """Return the new cut of batches without an attempt, by number, from the sizes that are left.

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
