"""The proof: whether the account's days have room for the calls of a plan, and which take them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

from broadcast.errors import PlanError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.reports import Report

#: Answer whether a plan fits.
Fit = StrEnum(
    "Fit",
    [
        "FITS",
        "SPREADS",  #: over several days, because that was asked for
        "TOO_MANY",
        "UNPROVED",  #: WeChat could not be asked
        "IN_VAIN",  #: WeChat would refuse it, or nobody would get it
    ],
)


@frozen
class Quota:
    """Answer of openapi/quota/get for mass/send today."""

    daily_limit: int
    used: int
    remain: int


@frozen
class Proof:
    """The plan held against the day: how many calls it takes and how many are free."""

    fit: Fit
    calls: int
    spare: int
    free: int | None = None
    days: int = 1
    #: The broadcasts that hold most of the day's calls, the largest first.
    holders: Sequence[str] = ()

    @property
    def short(self) -> int:
        """Number of calls that are missing today."""
        return max(0, self.calls + self.spare - self.free) if self.free is not None else 0


def spare_calls(calls: int) -> int:
    """Return how many calls are kept for repeats: a repeat is a call. One in fifty, at least one.

    A plan that takes the whole day to the last call still fits (100 calls for a million followers
    is what operators have): spare calls only count while there are some.
    """
    return max(1, calls // 50)


def prove(
    *,
    calls: int,
    quota: Quota | None,
    reserved: int,
    spread: bool,
) -> Proof:
    """Check *calls* against today's *quota* less the reservations of other broadcasts."""
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


#: Days over which a plan is spread at most; an account that needs more has too few calls a day.
MOST_DAYS = 366


def allot(proof: Proof, *, daily_limit: int, reserved: Callable[[int], int]) -> list[int]:
    """Return the number of calls on each day, in order, as a plan over several days takes them.

    *reserved* returns what other broadcasts have reserved so many days later. What fits goes on the
    first day whole; what WeChat could not be asked about too.
    """
    if proof.fit is not Fit.SPREADS or proof.free is None:
        return [proof.calls]
    days = [min(proof.calls, proof.free)]
    while sum(days) < proof.calls and len(days) < MOST_DAYS:
        free = max(0, daily_limit - reserved(len(days)))
        days.append(min(free, proof.calls - sum(days)))
    return days


def check_fits(proof: Proof) -> None:
    """Raise PlanError, with the shortest fix, when the account's day has no room for the plan."""
    if proof.fit is Fit.TOO_MANY:
        raise too_many(proof)


#: Notices of a plan that WeChat will refuse, or that reaches nobody.
_IN_VAIN: Final = frozenset(
    {
        "notice.messages.month",
        "notice.messages.month_to_come",
        "notice.messages.day",
        "notice.messages.day_to_come",
        "notice.tag.empty",
        "notice.media.gone",
        "launches.over_month",
        "launches.over_day",
        "launches.to_all_before",
    }
)


def in_vain(notices: Iterable[Message]) -> PlanError | None:
    """Return the error of a plan that WeChat will refuse, or that reaches nobody."""
    for notice in notices:
        if notice.id in _IN_VAIN:
            return PlanError("error.plan.in_vain", text=notice)
    return None


def too_many(proof: Proof) -> PlanError:
    """Return the error of a plan that does not fit, with the shortest fix."""
    facts: dict[str, object] = {
        "calls": proof.calls,
        "free": proof.free,
        "short": proof.short,
        "days": proof.days,
    }
    one = proof.calls == 1
    if not proof.holders:
        return PlanError("error.plan.too_many_one" if one else "error.plan.too_many", **facts)
    return PlanError(
        "error.plan.too_many_one_held" if one else "error.plan.too_many_held",
        holders=", ".join(proof.holders),
        **facts,
    )


#: What is said to a submit whose plan has no room is no advice for a broadcast that is stored.
_OF_RESUME: Final = {
    "error.plan.too_many": "error.resume.too_many",
    "error.plan.too_many_one": "error.resume.too_many_one",
    "error.plan.too_many_held": "error.resume.too_many_held",
    "error.plan.too_many_one_held": "error.resume.too_many_one_held",
}


def of_resume(error: PlanError, report: Report) -> PlanError:
    """Return what is said to a resume whose day has too few calls left."""
    own = _OF_RESUME[error.message_id]
    return PlanError(own, **error.facts, id=report.id, account=report.account)
