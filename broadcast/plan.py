"""Planning: into which calls an audience is cut, and whether the account's day has room for them.

mass/send takes 2 to 10,000 OpenIDs, so 10,001 are 5,001 + 5,000 and never 10,000 + 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from broadcast.errors import PlanError

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


class Fit(StrEnum):
    """Whether a plan fits."""

    FITS = "fits"
    SPREADS = "spreads"  #: over several days, because that was asked for
    TOO_MANY = "too_many"
    UNPROVED = "unproved"  #: WeChat could not be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What openapi/quota/get said of mass/send today."""

    daily_limit: int
    used: int
    remain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The plan held against the day: how many calls it takes and how many are free."""

    fit: Fit
    calls: int
    spare: int
    free: int | None = None
    days: int = 1

    @property
    def short(self) -> int:
        """How many calls are missing today."""
        return max(0, self.calls + self.spare - self.free) if self.free is not None else 0


def spare_calls(calls: int) -> int:
    """Return how many calls are kept for repeats: a repeat is a call. One in fifty, at least one.

    A plan that takes the whole day to the last call still fits (100 calls for a million followers
    is what operators have): spare calls only count while there are some.
    """
    return max(1, calls // 50)


def prove(*, calls: int, quota: Quota | None, reserved: int, spread: bool) -> Proof:
    """Hold *calls* against today's *quota* less what other broadcasts have *reserved*."""
    spare = spare_calls(calls)
    if quota is None:
        return Proof(fit=Fit.UNPROVED, calls=calls, spare=spare)
    free = max(0, quota.remain - reserved)
    spare = min(spare, max(0, free - calls))
    if calls <= free:
        return Proof(fit=Fit.FITS, calls=calls, spare=spare, free=free)
    days = 1 + -(-(calls - free) // max(1, quota.daily_limit))
    fit = Fit.SPREADS if spread else Fit.TOO_MANY
    return Proof(fit=fit, calls=calls, spare=spare, free=free, days=days)


def refuse_what_does_not_fit(proof: Proof) -> None:
    """Raise PlanError, with the shortest fix, when the account's day has no room for the plan."""
    if proof.fit is Fit.TOO_MANY:
        raise too_many(proof)


def too_many(proof: Proof) -> PlanError:
    """Return the error that tells a plan without room, with the shortest fix."""
    return PlanError(
        "error.plan.too_many_one" if proof.calls == 1 else "error.plan.too_many",
        calls=proof.calls, free=proof.free, short=proof.short, days=proof.days,
    )  # fmt: skip
