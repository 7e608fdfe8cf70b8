"""Readiness of this machine to send: answers of WeChat and of the clocks, and what follows.

Facts go in, checks come out. A check that fails says what keeps followers from getting anything,
and how to fix it; a warning keeps nobody.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, Self, TypeAlias

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.calls.outcomes import NOT_WHITELISTED
from broadcast.rules.plan.proof import Quota
from broadcast.rules.webhooks import plain

#: Result of a check.
Level = StrEnum("Level", "GOOD WARNING FAILED")


class Subject(StrEnum):
    """Subject of a check."""

    WECHAT = "wechat"  #: WeChat answers at the account's address
    TOKEN = "token"  # noqa: S105 - a subject, no secret
    WHITELIST = "white_list"  #: WeChat lets this machine's address fetch the access_token
    CALLS = "calls"  #: the calls that are left today
    CLOCK = "clock"


@frozen
class Refusal:
    """An errcode of WeChat's; its words may be unknown, where another process heard them."""

    errcode: int
    errmsg: str | None = None


#: Why there is no answer: WeChat's, or anything else.
Problem: TypeAlias = Refusal | Message


@frozen
class AddressFacts:
    """Answers from one address of WeChat."""

    #: As it may be shown.
    address: str
    elapsed: timedelta = timedelta(0)
    problem: Message | None = None


@frozen
class ClockFacts:
    """Seconds by which the clocks are ahead of WeChat's; negative: behind."""

    #: This machine's; None where WeChat named no time.
    machine: timedelta | None
    #: The database's, by which schedules run; None where it is this machine's own.
    database: timedelta | None = None

    @classmethod
    def of_both(cls, machine: timedelta | None, database: timedelta | None) -> Self:
        """Return the facts for a clock of the database that is ahead of this machine's."""
        if machine is None or database is None:
            return cls(machine=machine)
        return cls(machine=machine, database=machine + database)


@frozen
class AccountFacts:
    """Answers for one account whose address answers."""

    name: str
    #: Why no access_token could be fetched; None: one was.
    token_problem: Problem | None
    #: Today's calls, or why they are unknown; not asked without an access_token.
    calls: Quota | Problem | None
    #: Where the settings name its AppID and its AppSecret.
    appid_setting: object
    appsecret_setting: object


@frozen
class Check:
    """One result."""

    subject: Subject
    level: Level
    found: Message
    #: None where it is about no single account.
    account: str | None = None
    fix: Message | None = None


#: Less is not felt: a send starts up to seconds after its time anyway.
CLOCK_FELT: Final = timedelta(minutes=1)
#: From here on what is scheduled goes out at a wrong time, and after midnight calls are counted to
#: the wrong day. A third of the least lateness that a send is held for by default (15 min).
CLOCK_WRONG: Final = timedelta(minutes=5)

_OF_ADDRESSES: Final = NOT_WHITELISTED | {89501, 89503, 89506, 89507}
_APPID: Final = frozenset({40013, 41002})
_APPSECRET: Final = frozenset({40001, 40125, 41004})
#: Codes with a fix of their own, ``fix.check.CODE``.
FIXES: Final = frozenset({40243, 45009, 50002, 89501, 89503, 89506, 89507})
#: It passes at the turn of WeChat's day.
_TOO_MANY_TOKENS: Final = 45009
#: They pass without anybody's doing.
_PASSING: Final = frozenset({-1, 45011})

_ADDRESS: Final = re.compile(r"[0-9a-f:.]*[0-9a-f]", re.IGNORECASE)


def of_address(facts: AddressFacts) -> Check:
    """Return the check of whether WeChat answers."""
    if facts.problem is None:
        found = Message("check.wechat.good", address=facts.address, ms=_ms(facts.elapsed))
        return Check(subject=Subject.WECHAT, level=Level.GOOD, found=found)
    return Check(
        subject=Subject.WECHAT,
        level=Level.FAILED,
        found=Message("check.wechat.failed", address=facts.address, reason=facts.problem),
        fix=Message("fix.check.unreachable", address=facts.address),
    )


def of_clocks(facts: ClockFacts) -> Check:
    """Return the check of the clock of schedules and of this machine's."""
    if facts.machine is None:
        return Check(
            subject=Subject.CLOCK, level=Level.WARNING, found=Message("check.clock.unknown")
        )
    if facts.database is not None and abs(facts.database) > CLOCK_FELT:
        return _wrong_clock("database", facts.database, decides=True)
    if abs(facts.machine) > CLOCK_FELT:
        return _wrong_clock("machine", facts.machine, decides=facts.database is None)
    return Check(subject=Subject.CLOCK, level=Level.GOOD, found=Message("check.clock.good"))


def _wrong_clock(whose: str, ahead: timedelta, *, decides: bool) -> Check:
    """Return the check of a clock that is off; *decides*: schedules run by it."""
    way = "ahead" if ahead > timedelta(0) else "behind"
    too_far = decides and abs(ahead) > CLOCK_WRONG
    suffix = "" if decides else "_alone"
    return Check(
        subject=Subject.CLOCK,
        level=Level.FAILED if too_far else Level.WARNING,
        found=Message(f"check.clock.{whose}_{way}{suffix}", off=abs(ahead)),
        fix=Message(f"fix.check.clock_{whose}"),
    )


def of_account(facts: AccountFacts) -> Iterator[Check]:
    """Yield what was found of one account; where it has no access_token, why alone."""
    problem = facts.token_problem
    if (
        problem is None
        and isinstance(facts.calls, Refusal)
        and facts.calls.errcode in NOT_WHITELISTED
    ):
        problem = facts.calls
    if problem is not None:
        yield _without_token(facts, problem)
        return
    for subject in (Subject.TOKEN, Subject.WHITELIST):
        found = Message(f"check.{subject}.good")
        yield Check(subject=subject, level=Level.GOOD, found=found, account=facts.name)
    yield _of_calls(facts)


def _without_token(facts: AccountFacts, problem: Problem) -> Check:
    refused_address = isinstance(problem, Refusal) and problem.errcode in _OF_ADDRESSES
    return Check(
        subject=Subject.WHITELIST if refused_address else Subject.TOKEN,
        level=Level.FAILED,
        found=_token_problem(problem),
        account=facts.name,
        fix=_fix(facts, problem),
    )


def _token_problem(problem: Problem) -> Message:
    if isinstance(problem, Message):
        return Message("check.token.away", reason=problem)
    code = problem.errcode
    if code not in _OF_ADDRESSES:
        return Message("check.token.refused", errcode=code)
    seen = address_seen(problem.errmsg)
    if code not in NOT_WHITELISTED or seen is None:
        return Message("check.white_list.refused", errcode=code)
    return Message("check.white_list.refused_address", errcode=code, ip=seen)


def _fix(facts: AccountFacts, problem: Problem) -> Message:
    if isinstance(problem, Message) or problem.errcode in _PASSING:
        return Message("fix.check.again")
    code = problem.errcode
    if code in _APPID:
        return Message("fix.check.appid", setting=facts.appid_setting)
    if code in _APPSECRET:
        return Message("fix.check.appsecret", setting=facts.appsecret_setting)
    if code in NOT_WHITELISTED:
        seen = address_seen(problem.errmsg)
        return Message("fix.check.list", ip=seen) if seen else Message("fix.check.list_unnamed")
    return Message(f"fix.check.{code}") if code in FIXES else _explained(problem)


def _explained(refusal: Refusal) -> Message:
    return Message("fix.check.other", errmsg=refusal.errmsg or "-", errcode=refusal.errcode)


def _of_calls(facts: AccountFacts) -> Check:
    calls, level = facts.calls, Level.WARNING
    match calls:
        case Quota(remain=remain) if remain > 0:
            level = Level.GOOD
            found = Message("check.calls.good", remain=remain, limit=calls.daily_limit)
        case Quota():
            found = Message("check.calls.none", limit=calls.daily_limit)
        case Refusal():
            # Sends go another way: what WeChat thinks of those, they learn themselves.
            found = Message("check.calls.refused", errcode=calls.errcode)
        case _:
            found = Message("check.calls.unknown", reason=calls)
    fix = _explained(calls) if isinstance(calls, Refusal) else None
    return Check(subject=Subject.CALLS, level=level, found=found, account=facts.name, fix=fix)


def address_seen(errmsg: str | None) -> str | None:
    """Return the address of ours that WeChat saw, as its words name it.

    ``invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist``: the first that is one.
    """
    for word in _ADDRESS.findall(errmsg or ""):
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            continue
        return str(plain(address))
    return None


def keeps_from_sending(facts: AccountFacts) -> Check | None:
    """Return why an account has no access_token until a person acts; None: it may pass."""
    problem = facts.token_problem
    if isinstance(problem, Refusal) and problem.errcode in _PASSING | {_TOO_MANY_TOKENS}:
        return None
    return next(iter(failed(of_account(facts))), None)


def failed(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that failed."""
    return [check for check in checks if check.level is Level.FAILED]


def off_alone(checks: Iterable[Check], accounts: Collection[str]) -> Sequence[str] | None:
    """Return the accounts that cannot send while others can.

    None where no account can, or where what failed is about no single one.
    """
    wrong = failed(checks)
    names = [check.account for check in wrong if check.account is not None]
    off = list(dict.fromkeys(names))
    return off if len(names) == len(wrong) and len(off) < len(accounts) else None


def _ms(elapsed: timedelta) -> int:
    return round(elapsed / timedelta(milliseconds=1))
