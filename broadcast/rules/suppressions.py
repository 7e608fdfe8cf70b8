"""Suppression: people who get no broadcast until their suppression is lifted, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broadcast.frozen import frozen

#: In place of an account: suppressed for every account.
ALL_ACCOUNTS = "*"


#: Cause of a suppression. One person may have several.
SuppressionKind = StrEnum(
    "SuppressionKind",
    [
        "PERSON",  #: an operator named them
        "KEYWORD",  #: the follower opted out by a message
        "IMPORT",  #: a file named them
        "ERASED",  #: they are erased: in the place of the OpenID stands its digest
    ],
)


@dataclass(frozen=True, slots=True)
class OptOut:
    """Opt-out of a follower, by WeChat's clock: since when, and lifted when.

    Their words may come doubled, late and in any order.
    """

    since: datetime
    lifted_at: datetime | None = None
    #: An operator lifted it, and that moment is by the database's clock.
    by_operator: bool = False

    @classmethod
    def after(
        cls, there: OptOut | None, *, out: bool, at: datetime, received_at: datetime
    ) -> OptOut:
        """Return what stands after one more word: to be left alone (*out*), or to undo that.

        It was said *at*, by WeChat's clock, and came at *received_at*, by the database's. WeChat's
        clock has seconds: said in the same one, the word to be left alone counts.
        """
        if there is None:
            # What it undoes may still be to come.
            return cls(at) if out else cls(at, at)
        if there.by_operator and there.lifted_at is not None:
            # The two clocks differ: the operator's word is the later one if it came later.
            if received_at < there.lifted_at or at < there.since:
                return there
            return cls(at) if out else cls(there.since, at)
        said = max(there.since, there.lifted_at or there.since)
        if out:
            stands_as_late = there.lifted_at is None and there.since >= at
            return there if stands_as_late or said > at else cls(at)
        return there if said >= at else cls(there.since, at)


@frozen
class SuppressionSource:
    """Source and reason of a suppression."""

    kind: SuppressionKind
    who: str
    why: str | None = None


@frozen
class Suppressed:
    """One suppression that stands."""

    account: str
    openid: str
    kind: SuppressionKind
    since: datetime
    who: str
    why: str | None
