"""Wiring: the real parts, built once a process on first use; nothing else constructs them.

Built lazily and by pid, because a connection that was opened before a fork is two processes' one.
"""

from __future__ import annotations

import functools
import logging
import os
import secrets
import socket
import threading
from dataclasses import field, replace

from sqlalchemy import Engine

from broadcast.errors import OutOfReachError, SettingsError
from broadcast.frozen import frozen
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import NOT_LISTED, SendPath
from broadcast.rules.calls.policy import Rules
from broadcast.rules.plan.proof import Quota
from broadcast.settings.program_settings import Settings
from broadcast.tokens.pace import Limiter
from broadcast.tokens.redis_access import Connection, Keys, connect
from broadcast.tokens.token_service import TokenService
from broadcast.wechat.client import WeChatClient
from broadcast.wechat_account.account_client import AccountClient, ClientTokenFetcher
from models import durability
from models.engine import open_engine
from models.ledger.gates import gate_changes as known_accounts
from models.ledger.lane import obstacles
from models.ledger.rows import known_accounts as rows_known_accounts
from producer.submit.recent_quotas import RecentQuotas
from worker.delivery.gateway import WeChatGateway
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.lane import LaneContext
from worker.delivery.posting import Poster
from worker.delivery.webhooks import WebhookDeliverer
from worker.wake import MOST_FORWARDS

log = logging.getLogger(__name__)

#: Set once this process is asked to stop.
stopping = threading.Event()
_building = threading.Lock()


class AccountPace:
    """:class:`worker.delivery.ports.Pace` on the shared limiter."""

    def __init__(self, limiter: Limiter, account: Account) -> None:
        """Take the limiter and whose pace this is."""
        self._limiter = limiter
        self._account = account

    def take_slot(self) -> float:
        """Return 0 for a slot taken now, else the seconds to wait. Raises RedisAwayError."""
        return self._limiter.take_slot(self._account.appid, self._account.calls_per_minute)


@frozen
class Parts:
    """The real parts of one process."""

    settings: Settings
    accounts: dict[str, Account]
    engine: Engine
    redis: Connection
    tokens: TokenService
    limiter: Limiter
    clients: dict[str, WeChatClient]
    heartbeat: Heartbeat
    rules: Rules
    webhooks: WebhookDeliverer
    owner: str
    quotas: RecentQuotas = field(init=False)
    #: Accounts whose appid is the ledger's; neither of the two changes while the process lives.
    met: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Let what is recent of WeChat's answers be asked for by the gateways of these parts."""
        object.__setattr__(self, "quotas", RecentQuotas(self._quota))

    def context(self, name: str, *, forward_count: int = 0) -> LaneContext:
        """Return what the lane of account *name* drives with.

        Raises SettingsError if the settings do not have the account, have it with another appid
        than the ledger (the account is then stopped), or WeChat gives this machine no token and
        another one may have better luck; RedisAwayError and DatabaseAwayError.
        """
        account = self.accounts.get(name)
        if account is None:
            raise accounts.unknown(name, self.accounts)
        self._register_account(account)
        if not self.tokens.serves(account.appid):
            self._leave_to_others(account, forward_count=forward_count)
        return LaneContext(
            engine=self.engine,
            account=account,
            gateway=self.gateway(account),
            pace=AccountPace(self.limiter, account),
            heartbeat=self.heartbeat,
            rules=replace(self.rules, shared_quota=account.shared_quota),
            owner=self.owner,
            stopping=stopping,
        )

    def _leave_to_others(self, account: Account, *, forward_count: int) -> None:
        """Raise SettingsError where the next worker may be on WeChat's whitelist.

        After the last one WeChat is asked once more, and the account stops: nobody serves it.
        """
        if forward_count < MOST_FORWARDS:
            raise SettingsError("error.token.unlisted", account=account.name)
        words = self.tokens.forget_refusal(account.appid)
        said = self.gateway(account).refresh(only_expiring=True)
        if said is not None and said.errcode in NOT_LISTED:
            # Only the process that asked has WeChat's words, which name the address.
            obstacles.stop(self.engine, account, replace(said, errmsg=said.errmsg or words))

    def gateway(self, account: Account) -> WeChatGateway:
        """Return WeChat for *account*."""
        client = self.clients[account.appid]
        return WeChatGateway(AccountClient(client, self.tokens, account))

    def _quota(self, account: Account, path: SendPath) -> Quota | None:
        said = self.gateway(account).quota(path)
        return None if isinstance(said, NoAnswer) else said

    def _register_account(self, account: Account) -> None:
        """See to it that nothing is called under another appid than the ledger's."""
        if account.name in self.met:
            return
        try:
            if rows_known_accounts.check_account(self.engine, account):
                self.met.add(account.name)
        except SettingsError as error:
            if known_accounts.stop_account(self.engine, account.name):
                log.error("%s", error)  # noqa: TRY400 - its words say all; the trace says nothing
            raise


def parts() -> Parts:
    """Return this process's parts."""
    with _building:
        return _build(os.getpid())


@functools.cache
def _build(pid: int) -> Parts:
    settings = Settings.load()
    by_name = settings.accounts()
    by_appid = {account.appid: account for account in by_name.values()}
    by_base: dict[str, WeChatClient] = {
        base: WeChatClient(base, pool_size=max(settings.concurrency, 64))
        for base in {account.api_base for account in by_appid.values()}
    }
    clients = {appid: by_base[account.api_base] for appid, account in by_appid.items()}
    url = settings.database()
    engine = open_engine(url, pool_size=pool_size(settings.concurrency))
    durability.demand(engine)
    redis = connect(settings.redis_url.get_secret_value())
    keys = Keys(prefix=settings.redis_prefix)
    return Parts(
        settings=settings,
        accounts=by_name,
        engine=engine,
        redis=redis,
        tokens=TokenService(
            redis,
            ClientTokenFetcher(by_appid, clients),
            keys=keys,
            on_drift=lambda appid: _tell_drift(engine, by_appid[appid]),
        ),
        limiter=Limiter(redis, keys=keys),
        clients=clients,
        # With a connection of its own: a lease must not run out while threads queue for the others.
        heartbeat=Heartbeat(open_engine(url, pool_size=1)),
        rules=settings.rules(),
        webhooks=_deliverer(settings, engine),
        owner=lane_owner(pid),
    )


def _deliverer(settings: Settings, engine: Engine) -> WebhookDeliverer:
    poster = Poster(timeout_s=settings.webhook_timeout_s, allowed=settings.allowed_networks)
    return WebhookDeliverer(
        engine, poster, settings, waits=settings.rules().waits,
        longest_s=settings.webhook_timeout_s, stopping=stopping,
    )  # fmt: skip


def end_deliveries(timeout_s: float) -> None:
    """Wait so long for webhooks that are under way, if this process delivers any."""
    # A worker that was refused at its start has no parts, and builds none to end.
    if _build.cache_info().currsize:
        parts().webhooks.join(timeout_s)


def lane_owner(pid: int) -> str:
    """Return a new name for this process as a driver of lanes, in ASCII as its column is."""
    host = socket.gethostname().encode("ascii", "backslashreplace").decode("ascii")
    return f"{host[:80]}:{pid}:{secrets.token_hex(4)}"


def pool_size(concurrency: int) -> int:
    """Return how many connections a worker keeps to the database; when busy, it opens as many more.

    A lane waits for WeChat most of its time, so a third as many as there are threads is plenty.
    """
    return min(max(concurrency // 6, 2), 32)


def _tell_drift(engine: Engine, account: Account) -> None:
    """Log, once a token, that another program refreshes the account's token."""
    log.warning("%s", account.drifted())
    try:
        known_accounts.note_drift(engine, account.name)
    except OutOfReachError as error:
        # The token is there all the same, and so is the line above.
        log.warning(
            "account %s: the replaced access_token is not in the history: %s", account.name, error
        )
