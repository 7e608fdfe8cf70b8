"""Asks WeChat and the database what :mod:`broadcast.readiness` decides on.

An access_token is fetched anew, by the service that all processes share: one that is still in Redis
would say nothing of an AppSecret that was changed since, or of this machine's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from broadcast.accounts import Account, AccountKind
from broadcast.call.path import SendPath
from broadcast.errors import BroadcastError, RedisAwayError, WeChatAwayError
from broadcast.message import Message
from broadcast.plan import Quota
from broadcast.readiness import (
    AccountFacts,
    AddressFacts,
    Check,
    ClockFacts,
    Problem,
    Refusal,
    of_account,
    of_address,
    of_clocks,
)
from broadcast.redaction import redact
from broadcast.settings import Settings
from broadcast.shown import one_line
from cli.wiring.wechat import WeChat, WeChatRefusedError
from coordination.errors import TokenFetchError
from coordination.tokens import Timing
from models.engine import now as database_now
from models.ledger.transaction import read

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
    found.append(of_clocks(_clocks(engine, ahead)))
    for facts in _asked(wechat, settings, reached):
        found += of_account(facts)
    return found


def _addresses(
    wechat: WeChat, accounts: Iterable[Account]
) -> Mapping[str, tuple[AddressFacts, timedelta | None]]:
    """Ask each address once: what is heard from it, and how far our clock is ahead of its."""
    each = {account.api_base: account for account in accounts}
    return {base: _address(wechat, account) for base, account in each.items()}


def _address(wechat: WeChat, account: Account) -> tuple[AddressFacts, timedelta | None]:
    shown = redact(account.api_base)
    try:
        pong = wechat.ping(account)
    except WeChatAwayError as error:
        reason = error.facts["reason"]
        problem = reason if isinstance(reason, Message) else error.message
        return AddressFacts(address=shown, problem=problem), None
    ahead = datetime.now(UTC) - pong.date if pong.date else None
    return AddressFacts(address=shown, elapsed=timedelta(milliseconds=pong.elapsed_ms)), ahead


def _clocks(engine: Engine, ahead: timedelta | None) -> ClockFacts:
    """Hold the database's clock against WeChat's, too, where it has one of its own."""
    if ahead is None or engine.dialect.name == "sqlite":
        return ClockFacts(machine=ahead)
    with read(engine) as connection:
        of_database = database_now(connection) - datetime.now(UTC)
    return ClockFacts(machine=ahead, database=ahead + of_database)


def _asked(wechat: WeChat, settings: Settings, accounts: list[Account]) -> list[AccountFacts]:
    """Ask for all accounts side by side: a slow one must not keep all others waiting."""
    wechat.tokens  # noqa: B018 - built here, once, and not by several threads
    with ThreadPoolExecutor(min(len(accounts), AT_ONCE)) as threads:
        return list(threads.map(lambda one: _account(wechat, settings, one), accounts))


def _account(wechat: WeChat, settings: Settings, account: Account) -> AccountFacts:
    token_problem, calls = None, None
    # A failure of moments ago is remembered for all processes: perhaps that of the start before
    # this one, and corrected since.
    forgotten = wait_fixed(Timing().failure_memory_s)
    again = Retrying(
        retry=retry_if_exception_type(TokenFetchError), wait=forgotten, stop=stop_after_attempt(2),
        reraise=True,
    )  # fmt: skip
    try:
        again(wechat.refresh_token, account, reason="start")
    except RedisAwayError:
        raise
    except BroadcastError as error:
        token_problem = _problem(error)
    else:
        calls = _calls(wechat, account)
    return AccountFacts(
        name=account.name, token_problem=token_problem, calls=calls,
        appid_setting=_setting(settings, account, "appid"),
        appsecret_setting=_setting(settings, account, _secret_key(settings)),
    )  # fmt: skip


def _calls(wechat: WeChat, account: Account) -> Quota | Problem:
    subscription = account.account_kind is AccountKind.SUBSCRIPTION
    path = SendPath.SENDALL if subscription else SendPath.MASS_SEND
    try:
        return wechat.quota(account, path)
    except RedisAwayError:
        raise
    except BroadcastError as error:
        return _problem(error)


def _problem(error: BroadcastError) -> Problem:
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
    """Return where a person corrects a value of *account*."""
    if settings.accounts_file is None:
        return f"WECHAT_{key.upper()}"
    return Message("check.in_file", key=key, account=account.name, path=settings.accounts_file)
