"""Accounts that stand still: halted by hand, stopped after what WeChat said, or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from broadcast.attempts import Reason
from broadcast.reports import LaneView
from broadcast.text import t
from cli import words
from models.ledger.reading import reports

#: Most broadcasts that are named one by one.
MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The lanes of all accounts that were ever used, by the account's name, at one moment."""

    by_account: Mapping[str, LaneView]
    now: datetime

    def stops(self, account: str) -> Iterator[str]:
        """Yield why *account* stands still; nothing where it does not, or was never used."""
        lane = self.by_account.get(account)
        if lane is not None:
            yield from stops(account, lane, self.now)

    def stops_beside(self, account: str | None) -> Iterator[str]:
        """Yield why accounts other than *account* stand still."""
        for name in self.by_account:
            if name != account:
                yield from self.stops(name)


def lanes(engine: Engine) -> Lanes:
    """Read every lane. Raises DatabaseAwayError."""
    views, moment = reports.lanes(engine)
    return Lanes(by_account=views, now=moment)


def waits_for_unhalt(engine: Engine, account: str) -> bool:
    """Tell whether *account* stands still. Raises DatabaseAwayError."""
    return any(lanes(engine).stops(account))


def stops(account: str, lane: LaneView, moment: datetime) -> Iterator[str]:
    """Yield who or what stopped *account*, since when, why, and the one command that goes on."""
    if lane.stopped_at is not None:
        yield _stopped(account, lane, words.moment(lane.stopped_at, moment))
    if lane.halted_at is not None:
        # One command lifts both, so the halt on top of a stop must not invite to lift it unmended.
        both = lane.stopped_at is not None
        yield t(
            "standing.halted_as_well" if both else "standing.halted", account=account,
            who=words.speaker(lane.halted_by or "?", lane.halted_why),
            at=words.moment(lane.halted_at, moment),
        )  # fmt: skip


def _stopped(account: str, lane: LaneView, at: str) -> str:
    if lane.stop_reason is Reason.TOO_MANY_DOUBTS:
        return t(
            "standing.stopped_for_doubts", account=account, at=at, n=lane.stop_count or "?",
            ids=words.listed(lane.stop_broadcasts[:MOST_NAMED]),
        )  # fmt: skip
    return t(
        "standing.stopped", account=account, at=at, reason=words.reason(lane.stop_reason),
        code=words.code(lane.stop_errcode, lane.stop_errmsg), mend=mend(lane.stop_errcode),
    )  # fmt: skip


#: Codes that stop an account and have a mend of their own.
MENDS = frozenset({40001, 40013, 40125, 40164, 40243, 48001, 48003, 50002})


def mend(errcode: int | None) -> str:
    """Return what a person does about an account that WeChat refuses with *errcode*."""
    return t(f"mend.account.{errcode}") if errcode in MENDS else t("mend.account")
