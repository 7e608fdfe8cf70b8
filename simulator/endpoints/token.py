"""GET token and POST stable_token (sections 1.1 and 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.core.accounts import Account
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import TEXTS, RefusalError
from simulator.core.switches import Switches
from simulator.core.tokens import Space, Token
from simulator.core.world import World

TOKEN = "/cgi-bin/token"  # noqa: S105 - a path
STABLE_TOKEN = "/cgi-bin/stable_token"  # noqa: S105 - a path
FORCED = f"{STABLE_TOKEN} force_refresh"

DAILY_LIMIT = 2_000
DAILY_LIMIT_OF_TEST_ACCOUNT = 200


def by_query(call: Call) -> Account:
    """Return the account whose appid and secret stand in the query."""
    return _identified(call, call.query)


def by_body(call: Call) -> Account:
    """Return the account whose appid and secret stand in the body."""
    return _identified(call, call.message)


def classic_token(call: Call) -> Fields:
    """Issue a new classic token; the one before works a little longer."""
    world = call.world
    previous = world.tokens.current(call.account.appid, "classic")
    if previous is not None:
        previous.retire(world.now() + world.switches.token_overlap_s)
    return _reply(world, _issued(world, call.account, "classic"))


def stable_token(call: Call) -> Fields:
    """Return the stable token, renewed near its end or by force."""
    forced = call.message.get("force_refresh") is True
    take = _forced if forced else _kept_or_renewed
    return _reply(call.world, take(call.world, call.account))


def classic_limit(switches: Switches, account: Account) -> int:
    """Return the account's limit of classic tokens in a day (section 5.2)."""
    if switches.token_daily_limit is not None:
        return switches.token_daily_limit
    return DAILY_LIMIT_OF_TEST_ACCOUNT if account.kind == "test" else DAILY_LIMIT


ENDPOINTS = (
    Endpoint(
        path=TOKEN,
        handler=classic_token,
        method="GET",
        auth=by_query,
        daily_limit=classic_limit,
        per_minute=lambda switches, _account: switches.token_per_minute,
        json=False,
    ),
    Endpoint(
        path=STABLE_TOKEN,
        handler=stable_token,
        auth=by_body,
        daily_limit=lambda switches, _account: switches.stable_daily_limit,
        per_minute=lambda switches, _account: switches.stable_per_minute,
    ),
)


def _identified(call: Call, fields: Mapping[str, Any]) -> Account:
    """Check grant_type, appid, secret and IP: 40002, 41002, 41004, 40013, 40243, 40125, 40164."""
    world = call.world
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
    if account.days.used(FORCED, period=world.today()) >= switches.force_refresh_daily_limit:
        raise RefusalError(45009)
    account.days.add(FORCED, period=world.today())
    tokens.mark_forced(account.appid, now)
    if current is not None:
        current.retire(now)
    return _issued(world, account, "stable")


def _issued(world: World, account: Account, space: Space) -> Token:
    expires_at = world.now() + world.switches.token_lifetime_s
    length = world.switches.token_length
    return world.tokens.issue(account.appid, space, expires_at=expires_at, length=length)


def _reply(world: World, token: Token) -> Fields:
    left_s = round(token.expires_at - world.now())
    return {"access_token": token.value, "expires_in": left_s}
