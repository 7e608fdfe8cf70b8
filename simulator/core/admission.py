"""Checks and counts of every call, in the order of section 13."""

from __future__ import annotations

from simulator.core.accounts import Account
from simulator.core.counters import MinuteCounter
from simulator.core.endpoint import Call, Endpoint
from simulator.core.errors import RefusalError
from simulator.core.switches import Switches


def admit(call: Call) -> None:
    """Check and count as the endpoint declares, up to its own checks.

    Raises:
        RefusalError: of the first thing that does not hold.
    """
    endpoint = call.endpoint
    if call.method != endpoint.method:
        raise RefusalError(43001 if endpoint.method == "GET" else 43002)
    call.account = endpoint.auth(call)
    for check in endpoint.permissions:
        check(call)
    if not endpoint.offered(call.world.switches, call.account):
        raise RefusalError(48001)
    _count_day(call)
    _count_minute(call)
    if endpoint.json:
        call.message  # noqa: B018 - parsed here, so that its refusal comes before the checks'
    for check in endpoint.checks:
        check(call)


def daily_limit(endpoint: Endpoint, switches: Switches, account: Account) -> int | None:
    """Return the account's limit of calls in a day: its own, or the declared one."""
    if endpoint.path in account.daily_limits:
        return account.daily_limits[endpoint.path]
    declared = endpoint.daily_limit
    if declared is None:
        return switches.unlisted_daily_limit
    return declared(switches, account) if callable(declared) else declared


def _count_day(call: Call) -> None:
    """45009 (section 5.2); a call counts from here on, refused later or not (section 13)."""
    world, account, endpoint = call.world, call.account, call.endpoint
    limit = daily_limit(endpoint, world.switches, account)
    if limit is None:
        return
    name, day = endpoint.counter(world.switches, endpoint.path), world.today()
    if account.days.used(name, period=day) >= limit:
        raise RefusalError(45009)
    account.days.add(name, period=day)
    if not world.switches.rejected_calls_count:
        call.when_refused(lambda: account.days.add(name, period=day, calls=-1))


def _count_minute(call: Call) -> None:
    """45011 (section 2.5)."""
    world, account, endpoint = call.world, call.account, call.endpoint
    if endpoint.per_minute is None:
        return
    name = endpoint.counter(world.switches, endpoint.path)
    minute = account.minutes.setdefault(name, MinuteCounter())
    limit, switches, now = endpoint.per_minute(world.switches, account), world.switches, world.now()
    if limit and minute.used(now, window=switches.minute_window) >= limit:
        raise RefusalError(switches.minute_errcode)
    minute.add(now)
