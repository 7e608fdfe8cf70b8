"""Redis: of tokens and pace, and of the broker where it is another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from broadcast.errors import RedisAwayError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.findings import Fault, Finding, of_fault
from broadcast.settings.program_settings import Settings
from broadcast.settings.server_urls import REDIS_SCHEMES
from broadcast.tokens.redis_access import Connection, connect
from broadcast.views.words import Moment
from entrypoints.cli.probes.shell_words import away, redis_cli
from producer.wiring.wechat import WeChat

#: From this part of its memory on it soon refuses to write.
FULL: Final = 0.9
#: A token that was replaced longer ago says nothing of today.
_REPLACED_WITHIN: Final = timedelta(hours=24)


def probe(wechat: WeChat, settings: Settings, accounts: Mapping[str, Account]) -> Iterator[Finding]:
    """Yield what is wrong with each Redis, and with the access_token that is kept there."""
    for variable, url in _urls(settings).items():
        try:
            with closing(connect(url)) as redis:
                yield from _of_setup(redis, variable, url)
            if variable == "REDIS_URL":
                yield from _of_tokens(wechat, accounts)
        except RedisAwayError as error:
            yield away(Fault.REDIS_AWAY, error, url)


def _urls(settings: Settings) -> dict[str, str]:
    urls = {"REDIS_URL": settings.redis_url.get_secret_value()}
    broker = settings.broker_url.get_secret_value() if settings.broker_url else ""
    if broker.partition("://")[0] in REDIS_SCHEMES and ";" not in broker:
        urls |= {} if broker == urls["REDIS_URL"] else {"CELERY_BROKER_URL": broker}
    return urls


def _of_setup(redis: Connection, variable: str, url: str) -> Iterator[Finding]:
    try:
        info = redis.execute_command("INFO")
    except RedisAwayError as error:
        # Its user may do all that a send takes, and be kept from this alone.
        if error.facts.get("code") != "NoPermissionError":
            raise
        what = Message("doctor.redis_unseen", variable=variable)
        yield Finding(fault=Fault.REDIS_UNSEEN, what=what)
    else:
        yield from _of_info(info, variable, url)


def _of_info(info: Mapping[str, Any], variable: str, url: str) -> Iterator[Finding]:
    most, policy = int(info.get("maxmemory", 0)), info.get("maxmemory_policy", "noeviction")
    if info.get("role") == "slave":
        primary = f"{info.get('master_host')}:{info.get('master_port')}"
        yield of_fault(Fault.REDIS_REPLICA, variable=variable, primary=primary)
    if policy != "noeviction":
        order = ("CONFIG", "SET", "maxmemory-policy", "noeviction")
        command = redis_cli(url, variable, *order)
        yield of_fault(
            Fault.REDIS_EVICTS, command=command, has_fix=True, variable=variable, policy=policy
        )
    if most and info["used_memory"] > most * FULL:
        used, more = info["used_memory"], max(2 * most, 2 * int(info["used_memory"]))
        command = redis_cli(url, variable, "CONFIG", "SET", "maxmemory", str(more))
        yield of_fault(
            Fault.REDIS_FULL, command=command, has_fix=True, variable=variable, used=used, most=most
        )


def _of_tokens(wechat: WeChat, accounts: Mapping[str, Account]) -> Iterator[Finding]:
    """Yield the accounts whose shared access_token another program replaced not long ago."""
    now = datetime.now(UTC)
    for account in accounts.values():
        seen = wechat.view_token(account)
        at = seen.replaced_outside_at if seen else None
        if at is not None and now - at < _REPLACED_WITHIN:
            yield Finding(
                fault=Fault.TOKEN_REPLACED, account=account.name, fix=account.drifted(),
                what=Message("token.drift_seen", account=account.name, at=Moment(at, now)),
            )  # fmt: skip
