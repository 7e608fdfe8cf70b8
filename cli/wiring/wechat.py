"""WeChat and the shared access_token."""

from __future__ import annotations

import contextlib
import functools

from broadcast import plan
from broadcast.accounts import Account
from broadcast.errors import BroadcastError, OutOfReachError, SchemaError, WeChatAwayError
from broadcast.redaction import redact
from broadcast.text import t
from cli import output
from cli.wiring import database
from cli.wiring.database import settings
from cli.wiring.person import who
from coordination.connection import Connection, connect
from coordination.keys import Keys
from coordination.tokens import TokenService, TokenView
from models.ledger import accounts as known_accounts
from wechat.api.mass import MassSend
from wechat.api.quota import QuotaGet
from wechat.client import WeChatClient
from wechat.deadline import Timeouts
from wechat.errors import APIError, TransportError, WeChatError
from worker.account_client import AccountClient, ClientTokenFetcher

#: A person waits: shorter than the worker's.
TIMEOUTS = Timeouts(connect_s=3, read_s=5, total_s=8)


class WeChatRefusedError(BroadcastError):
    """WeChat answered, and would not."""


@functools.cache
def redis() -> Connection:
    """Return the connection to Redis; it connects when it is first used."""
    return connect(settings().redis_url)


@functools.cache
def tokens() -> TokenService:
    """Return the token service of all accounts."""
    by_appid = {account.appid: account for account in settings().accounts().values()}
    clients = {appid: _client(account.api_base) for appid, account in by_appid.items()}
    fetcher = ClientTokenFetcher(by_appid, clients)
    return TokenService(
        redis(), fetcher, keys=Keys(prefix=settings().redis_prefix),
        on_drift=lambda appid: _tell_drift(by_appid[appid].name),
    )  # fmt: skip


def _tell_drift(account: str) -> None:
    """Tell the person, and the history, that another program refreshes the account's token."""
    output.warn(t("token.drift", account=account))
    # The history is told by the next program that meets it; the person has been told.
    with contextlib.suppress(OutOfReachError, SchemaError):
        known_accounts.note_drift(database.engine(), account, who=who())


@functools.cache
def _client(base: str) -> WeChatClient:
    return WeChatClient(base, timeouts=TIMEOUTS, pool_size=2)


def client(account: Account) -> AccountClient:
    """Return the account's way to WeChat."""
    return AccountClient(_client(account.api_base), tokens(), account)


class WeChatQuota:
    """:class:`producer.submit.QuotaSource` on the real WeChat; remembers why it had no answer."""

    def __init__(self) -> None:
        """Start without a reason."""
        self.why: BroadcastError | None = None

    def quota(self, account: Account) -> plan.Quota | None:
        """Return today's calls of mass/send, or None where WeChat gives no answer."""
        try:
            return ask_quota(account)
        except BroadcastError as error:
            self.why = error
            return None


def ask_quota(account: Account) -> plan.Quota:
    """Ask WeChat for today's calls of mass/send, with one new token if the shared one is refused.

    Raises WeChatAwayError, WeChatRefusedError, RedisAwayError, TokenRefusedError and alike.
    """
    try:
        said = client(account).ask(QuotaGet(cgi_path=MassSend.path))
    except WeChatError as error:
        problem = _in_words(error, account)
    else:
        return plan.Quota(daily_limit=said.daily_limit, used=said.used, remain=said.remain)
    raise problem


def refresh_token(account: Account) -> None:
    """Fetch the token now. Raises as :func:`ask_quota`."""
    try:
        client(account).refresh(reason="by hand")
    except WeChatError as error:
        problem = _in_words(error, account)
    else:
        return
    raise problem


def view_token(account: Account) -> TokenView | None:
    """Return what may be shown of the shared token. Raises RedisAwayError."""
    return tokens().peek(account.appid)


def _in_words(error: WeChatError, account: Account) -> BroadcastError:
    if isinstance(error, TransportError):
        reason = t(f"transport.{error.kind}")
        return WeChatAwayError("error.wechat.away", address=redact(account.api_base), reason=reason)
    if isinstance(error, APIError):
        return WeChatRefusedError(
            "error.wechat.refused", account=account.name, endpoint=error.endpoint,
            errcode=error.errcode, errmsg=error.errmsg, rid=error.rid or "-",
        )  # fmt: skip
    return WeChatAwayError("error.wechat.away", address=redact(account.api_base), reason=str(error))
