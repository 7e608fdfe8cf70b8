"""GET token and POST stable_token (sections 1.1 and 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.accounts import Account
from simulator.content import parsed
from simulator.errors import TEXTS, RefusalError
from simulator.tokens import Space, Token
from simulator.world import Call, World

TOKEN = "/cgi-bin/token"  # noqa: S105 - a path
STABLE_TOKEN = "/cgi-bin/stable_token"  # noqa: S105 - a path

DAILY_LIMIT = 2_000
DAILY_LIMIT_OF_TEST_ACCOUNT = 200


async def classic_token(world: World, call: Call) -> dict[str, Any]:
    """Issue a new classic token; the one before works a little longer."""
    call.require("GET")
    account = _identified(world, call, call.query)
    _count_classic_call(world, account)
    await call.work()
    previous = world.tokens.current(account.appid, "classic")
    if previous is not None:
        previous.retire(world.now() + world.switches.token_overlap_s)
    return _reply(world, _issued(world, account, "classic"))


async def stable_token(world: World, call: Call) -> dict[str, Any]:
    """Return the stable token, renewed near its end or by force."""
    call.require("POST")
    request = parsed(call.body, world.switches)
    account = _identified(world, call, request)
    _count_stable_call(world, account)
    await call.work()
    if request.get("force_refresh") is True:
        return _reply(world, _forced(world, account))
    return _reply(world, _kept_or_renewed(world, account))


def token_daily_limit(world: World, account: Account) -> int:
    """Return how many classic tokens the account may fetch in a day (section 5.2)."""
    if world.switches.token_daily_limit is not None:
        return world.switches.token_daily_limit
    return DAILY_LIMIT_OF_TEST_ACCOUNT if account.kind == "test" else DAILY_LIMIT


def _identified(world: World, call: Call, fields: Mapping[str, Any]) -> Account:
    """Check grant_type, appid, secret and IP: 40002, 41002, 41004, 40013, 40243, 40125, 40164."""
    if fields.get("grant_type") != "client_credential":
        raise RefusalError(40002)
    if not fields.get("appid"):
        raise RefusalError(41002)
    if not fields.get("secret"):
        raise RefusalError(41004)
    account = world.accounts.get(fields["appid"])
    if account is None:
        raise RefusalError(40013)
    if account.frozen:
        raise RefusalError(40243)
    if fields["secret"] != account.secret:
        raise RefusalError(world.switches.wrong_secret_errcode)
    if account.whitelist is not None and call.ip not in account.whitelist:
        raise RefusalError(40164, errmsg=TEXTS[40164].format(ip=call.ip))
    return account


def _count_classic_call(world: World, account: Account) -> None:
    day, now, limit = world.today(), world.now(), world.switches.token_per_minute
    if account.token_day.used(day=day) >= token_daily_limit(world, account):
        raise RefusalError(45009)
    if limit and account.token_minute.used(now, window="fixed") >= limit:
        raise RefusalError(45011)
    account.token_day.add(day=day)
    account.token_minute.add(now)


def _count_stable_call(world: World, account: Account) -> None:
    day, now, switches = world.today(), world.now(), world.switches
    if account.stable_day.used(day=day) >= switches.stable_daily_limit:
        raise RefusalError(45009)
    if account.stable_minute.used(now, window="fixed") >= switches.stable_per_minute:
        raise RefusalError(45011)
    account.stable_day.add(day=day)
    account.stable_minute.add(now)


def _kept_or_renewed(world: World, account: Account) -> Token:
    """Same token outside its last five minutes; inside them a new one, and both work."""
    current = world.tokens.current(account.appid, "stable")
    if current and current.expires_at - world.now() > world.switches.token_overlap_s:
        return current
    return _issued(world, account, "stable")


def _forced(world: World, account: Account) -> Token:
    """Kill the current token at once; too soon after the last time nothing happens."""
    tokens, now, switches = world.tokens, world.now(), world.switches
    last, current = tokens.forced_at(account.appid), tokens.current(account.appid, "stable")
    if last is not None and now - last < switches.force_refresh_gap_s:
        if switches.force_refresh_too_soon == "error":
            raise RefusalError(45011)
        return current or _issued(world, account, "stable")
    if account.force_day.used(day=world.today()) >= switches.force_refresh_daily_limit:
        raise RefusalError(45009)
    account.force_day.add(day=world.today())
    tokens.mark_forced(account.appid, now)
    if current is not None:
        current.retire(now)
    return _issued(world, account, "stable")


def _issued(world: World, account: Account, space: Space) -> Token:
    expires_at = world.now() + world.switches.token_lifetime_s
    length = world.switches.token_length
    return world.tokens.issue(account.appid, space, expires_at=expires_at, length=length)


def _reply(world: World, token: Token) -> dict[str, Any]:
    left_s = round(token.expires_at - world.now())
    return {"access_token": token.value, "expires_in": left_s}
