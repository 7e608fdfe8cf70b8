"""WeChat and the shared access_token, for one command."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from broadcast import plan
from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.errors import BroadcastError, OutOfReachError, SchemaError, WeChatAwayError
from broadcast.message import Message
from broadcast.redaction import redact
from cli.wiring.person import who
from coordination.connection import Connection, connect
from coordination.keys import Keys
from coordination.tokens import TokenService, TokenView
from models.ledger import accounts as known_accounts
from wechat.api.mass import NO_SUCH_JOB, MassGet
from wechat.api.quota import QuotaGet
from wechat.client import WeChatClient
from wechat.deadline import Timeouts
from wechat.errors import APIError, TransportError, WeChatError
from worker.account_client import AccountClient, ClientTokenFetcher
from worker.gateway import INTERFACES

if TYPE_CHECKING:
    from cli.wiring.run import Run

#: A person waits: shorter than the worker's.
TIMEOUTS = Timeouts(connect_s=3, read_s=5, total_s=8)


class WeChatRefusedError(BroadcastError):
    """WeChat answered, and would not."""


class WeChat:
    """What a command asks WeChat, with the token that all processes share."""

    def __init__(self, run: Run) -> None:
        """Take the settings, and the terminal that is told of drift."""
        self._run = run
        self._clients: dict[str, WeChatClient] = {}

    @functools.cached_property
    def redis(self) -> Connection:
        """The connection to Redis; it connects when it is first used."""
        return connect(self._run.settings.redis_url)

    @functools.cached_property
    def tokens(self) -> TokenService:
        """The token service of all accounts."""
        settings = self._run.settings
        by_appid = {account.appid: account for account in settings.accounts().values()}
        clients = {appid: self._client(account.api_base) for appid, account in by_appid.items()}
        return TokenService(
            self.redis, ClientTokenFetcher(by_appid, clients),
            keys=Keys(prefix=settings.redis_prefix),
            on_drift=lambda appid: self._tell_drift(by_appid[appid]),
        )  # fmt: skip

    def client(self, account: Account) -> AccountClient:
        """Return the account's way to WeChat."""
        return AccountClient(self._client(account.api_base), self.tokens, account)

    def _client(self, base: str) -> WeChatClient:
        if base not in self._clients:
            self._clients[base] = WeChatClient(base, timeouts=TIMEOUTS, pool_size=2)
        return self._clients[base]

    def quota(self, account: Account, path: SendPath = SendPath.MASS_SEND) -> plan.Quota:
        """Ask for today's calls of one interface, with one new token if the shared one is refused.

        Raises WeChatAwayError, WeChatRefusedError, RedisAwayError, TokenRefusedError and alike.
        """
        try:
            said = self.client(account).ask(QuotaGet(cgi_path=INTERFACES[path].path))
        except WeChatError as error:
            problem = _as_ours(error, account)
        else:
            return plan.Quota(daily_limit=said.daily_limit, used=said.used, remain=said.remain)
        raise problem

    def knows_job(self, account: Account, msg_id: int) -> bool:
        """Ask mass/get whether WeChat has a job of this msg_id.

        Raises WeChatAwayError, WeChatRefusedError, RedisAwayError, TokenRefusedError and alike.
        """
        try:
            self.client(account).ask(MassGet(msg_id=msg_id))
        except APIError as error:
            if error.errcode == NO_SUCH_JOB:
                return False
            problem = _as_ours(error, account)
        except WeChatError as error:
            problem = _as_ours(error, account)
        else:
            return True
        raise problem

    def refresh_token(self, account: Account) -> None:
        """Fetch the token now. Raises as :meth:`quota`."""
        try:
            self.client(account).refresh(reason="by hand")
        except WeChatError as error:
            problem = _as_ours(error, account)
        else:
            return
        raise problem

    def view_token(self, account: Account) -> TokenView | None:
        """Return what may be shown of the shared token. Raises RedisAwayError."""
        return self.tokens.peek(account.appid)

    def redis_problem(self) -> BroadcastError | None:
        """Return what is wrong with Redis, without which no lane moves."""
        try:
            self.redis.ping()
        except BroadcastError as error:
            return error
        return None

    def _tell_drift(self, account: Account) -> None:
        """Tell the person, and the history, that another program refreshes the token."""
        self._run.terminal.warn(account.drifted())
        # The history is told by the next program that meets it; the person has been told.
        with contextlib.suppress(OutOfReachError, SchemaError):
            known_accounts.note_drift(self._run.engine, account.name, who=who())


class QuotaWithReason:
    """:class:`producer.submit.QuotaSource` on the real WeChat; remembers why it had no answer."""

    def __init__(self, wechat: WeChat) -> None:
        """Start without a reason."""
        self._wechat = wechat
        self.why: BroadcastError | None = None

    def quota(self, account: Account, path: SendPath = SendPath.MASS_SEND) -> plan.Quota | None:
        """Return today's calls of one interface, or None where WeChat gives no answer."""
        try:
            return self._wechat.quota(account, path)
        except BroadcastError as error:
            self.why = error
            return None


def _as_ours(error: WeChatError, account: Account) -> BroadcastError:
    if isinstance(error, APIError):
        return WeChatRefusedError(
            "error.wechat.refused", account=account.name, endpoint=error.endpoint,
            errcode=error.errcode, errmsg=error.errmsg, rid=error.rid or "-",
        )  # fmt: skip
    reason: Message | str = str(error)
    if isinstance(error, TransportError):
        reason = Message(f"transport.{error.kind}")
    return WeChatAwayError("error.wechat.away", address=redact(account.api_base), reason=reason)
