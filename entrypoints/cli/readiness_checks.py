"""Asks WeChat and the database what :mod:`broadcast.rules.readiness` decides on.

An access_token is fetched anew, by the service that all processes share: one that is still in Redis
would say nothing of an AppSecret that was changed since, or of this machine's address.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.cells import cell_len
from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from broadcast.errors import BroadcastError, RedisAwayError, WeChatAwayError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.redaction import redact
from broadcast.rules.accounts import Account, paths_of
from broadcast.rules.plan.proof import Quota
from broadcast.rules.readiness import (
    AccountFacts,
    AddressFacts,
    Check,
    ClockFacts,
    Level,
    Problem,
    Refusal,
    Subject,
    failed,
    keeps_from_sending,
    of_account,
    of_address,
    of_clocks,
)
from broadcast.settings.program_settings import Settings
from broadcast.tokens.token_service import Timing
from broadcast.tokens.token_store import TokenFetchError
from broadcast.views.texts import Texts
from models.engine import clock_ahead
from producer.wiring.wechat import OF_TOKENS, WeChat, WeChatRefusedError

#: Accounts that are asked about side by side; each may take three calls.
AT_ONCE = 8


def checks(wechat: WeChat, settings: Settings, engine: Engine) -> list[Check]:
    """Ask WeChat for every account of *settings*, and compare the clocks.

    Addresses first, then the clocks, then each account whose address answers. Raises RedisAwayError
    and DatabaseAwayError.
    """
    accounts = list(settings.accounts().values())
    addresses = _addresses(wechat, accounts)
    found = [of_address(facts) for facts, _ in addresses.values()]
    reached = [one for one in accounts if addresses[one.api_base][0].problem is None]
    if not reached:
        return found
    ahead = next((each for _, each in addresses.values() if each is not None), None)
    found.append(of_clocks(ClockFacts.of_both(ahead, clock_ahead(engine))))
    for facts in _asked(wechat, settings, reached):
        found += of_account(facts)
    return found


def _addresses(
    wechat: WeChat, accounts: Iterable[Account]
) -> Mapping[str, tuple[AddressFacts, timedelta | None]]:
    """Ask each address once: what is heard from it, and how far our clock is ahead of its."""
    each = {account.api_base: account for account in accounts}
    return {base: address_of(wechat, account) for base, account in each.items()}


def address_of(wechat: WeChat, account: Account) -> tuple[AddressFacts, timedelta | None]:
    """Ask an account's address: what is heard from it, and how far our clock is ahead of its."""
    shown = redact(account.api_base)
    try:
        pong = wechat.ping(account)
    except WeChatAwayError as error:
        reason = error.facts["reason"]
        problem = reason if isinstance(reason, Message) else error.message
        return AddressFacts(address=shown, problem=problem), None
    ahead = datetime.now(UTC) - pong.date if pong.date else None
    return AddressFacts(address=shown, elapsed=timedelta(milliseconds=pong.elapsed_ms)), ahead


def _asked(wechat: WeChat, settings: Settings, accounts: list[Account]) -> list[AccountFacts]:
    """Ask for all accounts side by side: a slow one must not keep all others waiting."""
    wechat.tokens  # noqa: B018 - built here, once, and not by several threads
    with ThreadPoolExecutor(min(len(accounts), AT_ONCE)) as threads:
        return list(threads.map(lambda one: _account(wechat, settings, one), accounts))


def _account(wechat: WeChat, settings: Settings, account: Account) -> AccountFacts:
    token_problem, calls = None, None
    try:
        refresh_token(wechat, account, reason="start")
    except RedisAwayError:
        raise
    except BroadcastError as error:
        token_problem = problem_of(error)
    else:
        calls = _calls(wechat, account)
    return facts_of(settings, account, token_problem=token_problem, calls=calls)


def refresh_token(wechat: WeChat, account: Account, *, reason: str) -> None:
    """Fetch the access_token; raise why WeChat gives none, in its own words where it has any.

    A failure of moments ago is remembered for all processes, without those: it is waited for.
    """
    forgotten = wait_fixed(Timing().failure_memory_s)
    again = Retrying(
        retry=retry_if_exception_type(TokenFetchError),
        wait=forgotten,
        stop=stop_after_attempt(2),
        reraise=True,
    )
    again(wechat.refresh_token, account, reason=reason)


def facts_of(
    settings: Settings,
    account: Account,
    *,
    token_problem: Problem | None,
    calls: Quota | Problem | None = None,
) -> AccountFacts:
    """Return what was answered for *account*, with the settings in which it is corrected."""
    return AccountFacts(
        name=account.name,
        token_problem=token_problem,
        calls=calls,
        appid_setting=_setting(settings, account, "appid"),
        appsecret_setting=_setting(settings, account, _secret_key(settings)),
    )


def keeping_from_sending(settings: Settings, account: Account, why: BroadcastError) -> Check | None:
    """Return the check that fails where *why*, an error of WeChat's, will not pass."""
    problem = problem_of(why)
    if not isinstance(problem, Refusal):
        return None
    of_token = str(why.facts.get("endpoint")).endswith(OF_TOKENS)
    if not of_token and not isinstance(why, TokenFetchError):
        return None
    return keeps_from_sending(facts_of(settings, account, token_problem=problem))


def _calls(wechat: WeChat, account: Account) -> Quota | Problem:
    try:
        return wechat.quota(account, paths_of(account)[0])
    except RedisAwayError:
        raise
    except BroadcastError as error:
        return problem_of(error)


def problem_of(error: BroadcastError) -> Problem:
    """Return an errcode where WeChat gave one, to us or to another process, else the reason."""
    errcode, errmsg = error.facts.get("errcode"), error.facts.get("errmsg")
    if isinstance(errcode, int):
        # WeChat's words: whatever they hold stays on one line.
        words = one_line(str(errmsg)) if isinstance(error, WeChatRefusedError) else None
        return Refusal(errcode=errcode, errmsg=words)
    reason = error.facts.get("reason")
    return reason if isinstance(reason, Message) else error.message


def _secret_key(settings: Settings) -> str:
    return "appsecret_file" if settings.appsecret_file else "appsecret"


def _setting(settings: Settings, account: Account, key: str) -> Message | str:
    """Return the setting in which a person corrects a value of *account*."""
    if settings.accounts_file is None:
        return f"WECHAT_{key.upper()}"
    return Message("check.in_file", key=key, account=account.name, path=settings.accounts_file)


_MARKS: Final = {Level.GOOD: "✓", Level.WARNING: "!", Level.FAILED: "✗"}
#: For a terminal whose encoding lacks them, such as GBK.
_PLAIN_MARKS: Final = {Level.GOOD: "+", Level.WARNING: "!", Level.FAILED: "x"}


def lines(checks: Iterable[Check], texts: Texts, *, accounts: int) -> Iterator[Message]:
    """Yield the lines of *checks*, their columns aligned as the terminal shows them.

    *accounts*: how many there are. Of several, one that can send takes one line.
    """
    rows = list(_rows(list(checks), texts) if accounts > 1 else _by_subject(checks, texts))
    width = max((cell_len(label) for label, _ in rows), default=0)
    marks = level_marks()
    for label, check in rows:
        padded = label + " " * (width - cell_len(label))
        yield Message(
            f"check.{check.level}", mark=marks[check.level], label=padded, found=check.found
        )
        if check.fix is not None:
            for line in texts(check.fix).splitlines():
                yield Message("check.indented", line=line)


def _rows(checks: list[Check], texts: Texts) -> Iterator[tuple[str, Check]]:
    """Yield each line's label and check: what is true of all, then account by account."""
    yield from _by_subject([check for check in checks if check.account is None], texts)
    for name in dict.fromkeys(check.account for check in checks if check.account is not None):
        own = [check for check in checks if check.account == name]
        yield from ((name, check) for check in failed(own) or [_in_one_line(own)])


def _by_subject(checks: Iterable[Check], texts: Texts) -> Iterator[tuple[str, Check]]:
    for check in checks:
        yield texts(f"check.subject.{check.subject}"), check


def _in_one_line(own: list[Check]) -> Check:
    """Return the checks of an account that can send as one: what is left to say are its calls."""
    calls = next(check for check in own if check.subject is Subject.CALLS)
    return replace(calls, found=Message("check.ready", calls=calls.found))


def level_marks() -> dict[Level, str]:
    """Return the mark of each level that standard output can show."""
    try:
        "".join(_MARKS.values()).encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return _PLAIN_MARKS
    return _MARKS
