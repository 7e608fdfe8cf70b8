"""POST clear_quota, clear_quota/v2 and openapi/quota/clear (section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.core.accounts import Account
from simulator.core.admission import daily_limit
from simulator.core.body import parsed
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.endpoints.mass.checks import MESSAGES

CLEAR = "/cgi-bin/clear_quota"
CLEAR_WITHOUT_TOKEN = "/cgi-bin/clear_quota/v2"  # noqa: S105 - a path
CLEAR_ONE = "/cgi-bin/openapi/quota/clear"
_DONE: Fields = {"errcode": 0, "errmsg": "ok"}


def by_secret(call: Call) -> Account:
    """Return the account whose appid and AppSecret stand in the body, or in the query."""
    fields: Mapping[str, Any] = call.query
    if call.body.strip():
        fields = {**call.query, **parsed(call.body, call.world.switches)}
    if not fields.get("appid"):
        raise RefusalError(41002)
    if not fields.get("appsecret"):
        raise RefusalError(41004)
    account = call.world.accounts.get(fields["appid"])
    if account is None:
        raise RefusalError(40013)
    if fields["appsecret"] != account.secret:
        raise RefusalError(call.world.switches.wrong_secret_errcode)
    return account


def clear(call: Call) -> Fields:
    """Reset every count of the day: 40013 where the body names another account."""
    if call.message.get("appid") != call.account.appid:
        raise RefusalError(40013)
    return clear_without_token(call)


def clear_without_token(call: Call) -> Fields:
    """Reset every count of the day; messages to many stay counted (section 5.1)."""
    _take_one(call)
    call.account.days.clear(period=call.world.today(), keep=frozenset({MESSAGES}))
    return _DONE


def clear_one(call: Call) -> Fields:
    """Reset the count of one interface: 76003, 76021."""
    world, path = call.world, call.message.get("cgi_path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise RefusalError(76003)
    endpoint = world.endpoints.get(path)
    if endpoint is None or daily_limit(endpoint, world.switches, call.account) is None:
        raise RefusalError(76021)
    _take_one(call)
    call.account.days.set(endpoint.counter(world.switches, path), 0, period=world.today())
    return _DONE


ENDPOINTS = (
    Endpoint(path=CLEAR, handler=clear),
    Endpoint(path=CLEAR_WITHOUT_TOKEN, handler=clear_without_token, auth=by_secret, json=False),
    Endpoint(path=CLEAR_ONE, handler=clear_one),
)


def _take_one(call: Call) -> None:
    """48006: ten in a month, whichever of the three."""
    account, month = call.account, call.world.this_month()
    if account.months.used(CLEAR, period=month) >= call.world.switches.clears_per_month:
        raise RefusalError(48006)
    account.months.add(CLEAR, period=month)
