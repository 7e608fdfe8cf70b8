"""Redis: of tokens and pace, and of the broker where it is another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from broadcast.errors import RedisAwayError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.findings import Fault, Finding, of_fault
from broadcast.settings.program_settings import Settings
from broadcast.settings.server_urls import REDIS_SCHEMES
from broadcast.tokens.redis_access import connect
from broadcast.views.words import Moment
from entrypoints.cli.probes.shell_words import away, redis_cli, service_of
from producer.wiring.wechat import WeChat

#: From this part of its memory on it soon refuses to write.
FULL: Final = 0.9
#: A token that was replaced longer ago says nothing of today.
_REPLACED_WITHIN: Final = timedelta(hours=24)


def probe(wechat: WeChat, settings: Settings, accounts: Mapping[str, Account]) -> Iterator[Finding]:
    """Yield what is wrong with each Redis, and with the access_token that is kept there."""
    url = settings.redis_url.get_secret_value()
    broker = settings.broker_url.get_secret_value() if settings.broker_url else url
    is_broker = _server(url) == _server(broker)
    try:
        for finding in _of_setup(url, "REDIS_URL"):
            yield replace(finding, is_of_broker=is_broker)
        yield from _of_tokens(wechat, accounts)
    except RedisAwayError as error:
        yield replace(away(Fault.REDIS_AWAY, error, url), is_of_broker=is_broker)
    if not is_broker and broker.partition("://")[0] in REDIS_SCHEMES and ";" not in broker:
        # Whoever asks the workers says that it is away.
        with suppress(RedisAwayError):
            for finding in _of_setup(broker, "CELERY_BROKER_URL"):
                yield replace(finding, is_of_broker=True)


def _server(url: str) -> str:
    """Return what is the same of two URLs of one server, with the login."""
    parts = urlsplit(url)
    return parts.netloc if parts.hostname else parts.path


def _of_setup(url: str, variable: str) -> Iterator[Finding]:
    try:
        with closing(connect(url)) as redis:
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
        command = redis_cli(url, *order)
        yield of_fault(
            Fault.REDIS_EVICTS, command=command, has_fix=True, variable=variable, policy=policy
        )
    if most and info["used_memory"] > most * FULL:
        used, more = info["used_memory"], max(2 * most, 2 * int(info["used_memory"]))
        command = redis_cli(url, "CONFIG", "SET", "maxmemory", str(more))
        full = of_fault(
            Fault.REDIS_FULL, command=command, has_fix=True, variable=variable, used=used, most=most
        )
        # Above the limit of its container it would be killed.
        fix = Message("fix.doctor.valkey_full")
        yield replace(full, command=None, fix=fix) if service_of(url) else full


def _of_tokens(wechat: WeChat, accounts: Mapping[str, Account]) -> Iterator[Finding]:
    """Yield the accounts whose shared access_token another program replaced not long ago."""
    now = datetime.now(UTC)
    for account in accounts.values():
        seen = wechat.view_token(account)
        at = seen.replaced_outside_at if seen else None
        if at is not None and now - at < _REPLACED_WITHIN:
            yield Finding(
                fault=Fault.TOKEN_REPLACED,
                account=account.name,
                fix=account.drifted(),
                what=Message("token.drift_seen", account=account.name, at=Moment(at, now)),
            )
