"""Why something stands still, in words: an account that is halted or stopped, a broadcast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from broadcast.call.attempts import Reason
from broadcast.gates import blockers
from broadcast.gates.blockers import Blocker, Cause
from broadcast.reports import LaneView, Report
from broadcast.text import t
from cli import words
from models.ledger.reading import reports


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

    def is_stopped(self, account: str) -> bool:
        """Tell whether *account* was stopped, by an answer of WeChat's or by too many doubts."""
        lane = self.by_account.get(account)
        return lane is not None and lane.stopped_at is not None

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
    lane = lanes(engine).by_account.get(account)
    return lane is not None and lane.stands_still


def stops(account: str, lane: LaneView, moment: datetime) -> Iterator[str]:
    """Yield who or what stopped *account*, since when, why, and the one command that goes on."""
    for one in blockers.of_account(account, lane):
        yield of_account(one, account, moment, stopped=lane.stopped_at is not None)


def lines(told: Report) -> Iterator[str]:
    """Yield why a broadcast waits or stands still, until when, and the command that goes on."""
    for one in blockers.of(told):
        yield line(one, told)


def line(one: Blocker, told: Report) -> str:
    """Return the words of one standstill of *told*."""
    match one.cause:
        case Cause.ACCOUNT_STOPPED | Cause.ACCOUNT_HALTED:
            stopped = told.lane.stopped_at is not None
            return of_account(one, told.account, told.now, stopped=stopped)
        case Cause.PAUSED:
            return _paused(one, told)
        case Cause.IN_DOUBT:
            single = "standing.in_doubt_one" if one.count == 1 else "standing.in_doubt"
            return t(single, n=one.count, id=told.id)
        case Cause.UNKNOWN_FIRST | Cause.BEHIND:
            return _behind(one, told)
    at = one.until or one.since
    return t(
        f"standing.{one.cause}", id=told.id, account=told.account, reason=words.reason(one.reason),
        code=words.code(one.errcode, one.errmsg), at=at and words.moment(at, told.now), n=one.batch,
    )  # fmt: skip


def _paused(one: Blocker, told: Report) -> str:
    if one.reason is Reason.TOO_MANY_REFUSALS:
        return t(
            "standing.paused_for_refusals", n=one.count or "?", code=one.errcode,
            meaning=words.meaning(one.errcode), id=told.id,
        )  # fmt: skip
    name = "standing.paused"
    if one.reason is Reason.QUOTA_MONTH:
        name = "standing.paused_for_month"
    elif one.reason is Reason.CONTENT_REFUSED:
        passes = blockers.is_worth_a_resume(told)
        name = "standing.paused_for_a_while" if passes else "standing.paused_for_content"
    code = words.code(one.errcode, one.errmsg)
    return t(name, reason=words.reason(one.reason), code=code, id=told.id)


def of_account(one: Blocker, account: str, moment: datetime, *, stopped: bool) -> str:
    """Return the words of an account's halt or stop; *stopped*: it is stopped, beside any halt."""
    at = words.moment(one.since or moment, moment)
    if one.cause is Cause.ACCOUNT_HALTED:
        # One command lifts both, so the halt on top of a stop must not invite to lift it unmended.
        return t(
            "standing.halted_as_well" if stopped else "standing.halted", account=account,
            who=words.speaker(one.who or "?", one.why), at=at,
        )  # fmt: skip
    if one.reason is Reason.TOO_MANY_DOUBTS:
        return t(
            "standing.stopped_for_doubts", account=account, at=at, n=one.count or "?",
            ids=words.shortened(one.broadcasts),
        )  # fmt: skip
    return t(
        "standing.stopped", account=account, at=at, reason=words.reason(one.reason),
        code=words.code(one.errcode, one.errmsg), mend=mend(one.errcode),
    )  # fmt: skip


def _behind(one: Blocker, told: Report) -> str:
    if one.cause is Cause.BEHIND:
        several = "standing.behind" if len(one.broadcasts) > 1 else "standing.behind_one"
        return t(several, ids=words.shortened(one.broadcasts), id=one.broadcasts[0])
    own = one.broadcasts[0] == told.id
    waits = one.until is not None and one.until > told.now
    at = words.moment(one.until or told.now, told.now) if waits else t("standing.at_once")
    return t(
        "standing.unknown_first_own" if own else "standing.unknown_first", n=one.batch,
        id=one.broadcasts[0], at=at,
    )  # fmt: skip


#: Codes that stop an account and have a mend of their own.
MENDS = frozenset({40001, 40013, 40125, 40164, 40243, 48001, 48003, 50002})


def mend(errcode: int | None) -> str:
    """Return what a person does about an account that WeChat refuses with *errcode*."""
    return t(f"mend.account.{errcode}") if errcode in MENDS else t("mend.account")
