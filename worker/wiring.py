"""The parts of a worker process: those that every process has, and what only a worker needs."""

from __future__ import annotations

import functools
import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from broadcast.built_once import built_once
from broadcast.errors import BroadcastError, OutOfReachError, RedisAwayError, SettingsError
from broadcast.outbound.posting import Poster
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import NOT_WHITELISTED, SendPath
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.plan.proof import Quota
from models import durability, schema
from models.engine import open_engine
from models.ledger.gates import gate_changes
from models.ledger.lane import obstacles
from models.ledger.rows import known_accounts
from producer.submit.recent_quotas import RecentQuotas
from producer.wiring.store_parts import StoreParts
from producer.wiring.wechat import WeChat
from worker.delivery.database_check import DatabaseCheck
from worker.delivery.gateway import WeChatGateway
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.lane import LaneContext
from worker.delivery.notices import NoticeDeliverer
from worker.delivery.webhooks import WebhookDeliverer
from worker.metrics_server import MetricsServer
from worker.wake import MOST_FORWARDS

if TYPE_CHECKING:
    from worker.campaigns import Launches
    from worker.outbox import Requests
    from worker.rehearsal_thread import Rehearsals

log = logging.getLogger(__name__)

#: Set once this process is asked to stop.
stopping = threading.Event()
_building = threading.Lock()


def _end_worker(problem: BroadcastError) -> None:
    """Let this worker end once its tasks have: an upgrade left it behind."""
    from celery.worker import state

    log.critical("this worker ends: %s", problem)
    state.should_stop = problem.exit_status  # type: ignore[assignment]


class WorkerParts(StoreParts):
    """The real parts of one process."""

    def __init__(self) -> None:
        """Read the settings, and build the rest when it is first needed."""
        super().__init__()
        self.connections = pool_size(self.settings.concurrency)
        self.owner = lane_owner(self.pid)
        #: Accounts whose appid is the ledger's; neither of the two changes while the process lives.
        self.met: set[str] = set()

    @built_once
    def accounts(self) -> dict[str, Account]:
        """The accounts by name. Raises SettingsError."""
        return self.settings.accounts()

    @built_once
    def engine(self) -> Engine:
        """The engine of a database whose schema is looked at when a worker starts."""
        durability.demand(self.engine_to_upgrade)
        return self.engine_to_upgrade

    @built_once
    def wechat(self) -> WeChat:
        """WeChat, the shared access_token and the pace."""
        return WeChat(
            self.settings,
            on_drift=self._tell_drift,
            timeouts=None,
            connections=max(self.settings.concurrency, 64),
        )

    @built_once
    def quotas(self) -> RecentQuotas:
        """Recent answers of WeChat about quotas."""
        return RecentQuotas(self._quota)

    @built_once
    def heartbeat(self) -> Heartbeat:
        """The thread that renews the leases.

        It has a connection of its own: a lease must not run out while threads queue for the others.
        """
        return Heartbeat(open_engine(self.settings.database(), pool_size=1))

    @built_once
    def tuning(self) -> Tuning:
        """Tuning of calls, as it is set."""
        return self.settings.tuning()

    @built_once
    def poster(self) -> Poster:
        """The way to receivers of webhooks and notices."""
        settings = self.settings
        return Poster(timeout_s=settings.webhook_timeout_s, allowed=settings.allowed_networks)

    @built_once
    def webhooks(self) -> WebhookDeliverer:
        """The threads that deliver webhooks."""
        settings = self.settings
        return WebhookDeliverer(
            self.engine,
            self.poster,
            settings,
            waits=self.tuning.waits,
            longest_s=settings.webhook_timeout_s,
            stopping=stopping,
        )

    @built_once
    def notices(self) -> NoticeDeliverer:
        """The threads that post notices. Raises SettingsError."""
        settings = self.settings
        return NoticeDeliverer(
            self.engine,
            self.poster,
            settings.receivers(),
            waits=self.tuning.waits,
            longest_s=settings.webhook_timeout_s,
            again=settings.notify_again,
            stopping=stopping,
        )

    @built_once
    def metrics(self) -> MetricsServer:
        """The server of this worker's own metrics."""
        return MetricsServer(self.settings, self.engine)

    @built_once
    def requests(self) -> Requests:
        """The threads that submit the requests of the outbox."""
        from worker import outbox

        return outbox.Requests(self)

    @built_once
    def launches(self) -> Launches:
        """The threads that launch campaigns."""
        from worker import campaigns

        return campaigns.Launches(self)

    @built_once
    def rehearsals(self) -> Rehearsals:
        """The thread that rehearses campaigns."""
        from worker import rehearsal_thread

        return rehearsal_thread.Rehearsals(self)

    @built_once
    def database_check(self) -> DatabaseCheck:
        """The restore guard: whether this database made the calls of its accounts."""
        return DatabaseCheck(
            self.engine,
            counter=self.wechat.claim_counter(schema.installation(self.engine)),
            gateway=self.gateway,
            waits=self.tuning.waits,
            end=_end_worker,
        )

    def context(self, name: str, *, forward_count: int = 0) -> LaneContext:
        """Return the parts that drive the lane of account *name*.

        Raises SettingsError if the settings do not have the account, have it with another appid
        than the ledger (the account is then stopped), or WeChat gives this machine no token and
        another one may have better luck; RedisAwayError and DatabaseAwayError.
        """
        account = self.accounts.get(name)
        if account is None:
            raise accounts.unknown(name, self.accounts)
        self._register_account(account)
        if not self.wechat.tokens.serves(account.appid):
            self._leave_to_others(account, forward_count=forward_count)
        self._check_database(account)
        return LaneContext(
            engine=self.engine,
            account=account,
            gateway=self.gateway(account),
            pace=self.wechat.pace(account),
            counter=self.database_check.counter,
            heartbeat=self.heartbeat,
            tuning=replace(self.tuning, shared_quota=account.shared_quota),
            owner=self.owner,
            stopping=stopping,
        )

    def _check_database(self, account: Account) -> None:
        """Raise OutOfReachError where this database may not know what was sent."""
        try:
            self.database_check.check(account)
        except RedisAwayError as error:
            log.warning("account %s: calls wait: %s", account.name, error)
            obstacles.wait_for_redis(self.engine, account)
            raise

    def _leave_to_others(self, account: Account, *, forward_count: int) -> None:
        """Raise SettingsError where the next worker may be on WeChat's whitelist.

        After the last one WeChat is asked once more, and the account stops: nobody serves it.
        """
        if forward_count < MOST_FORWARDS:
            raise SettingsError("error.token.unlisted", account=account.name)

        def ask() -> NoAnswer | None:
            # A refusal from before an unhalt says nothing of the whitelist after it.
            answer = self.gateway(account).ask_despite_refusal()
            if answer is None or answer.errcode not in NOT_WHITELISTED:
                return None
            # Only the process that asked has WeChat's words: the refusal of another one may be old.
            return answer if answer.errmsg else None

        obstacles.stop_unless_listed(self.engine, account, ask)

    def gateway(self, account: Account) -> WeChatGateway:
        """Return WeChat for *account*."""
        return WeChatGateway(self.wechat.client(account))

    def _quota(self, account: Account, path: SendPath) -> Quota | None:
        answer = self.gateway(account).quota(path)
        return None if isinstance(answer, NoAnswer) else answer

    def _register_account(self, account: Account) -> None:
        """Check that the ledger has the account under this appid; stop it where it does not."""
        if account.name in self.met:
            return
        try:
            if known_accounts.check_account(self.engine, account):
                self.met.add(account.name)
        except SettingsError as error:
            if gate_changes.stop_account(self.engine, account.name):
                log.error("%s", error)  # noqa: TRY400 - its words say all; the trace says nothing
            raise

    def _tell_drift(self, account: Account) -> None:
        """Log, once a token, that another program refreshes the account's token."""
        log.warning("%s", account.drifted())
        try:
            gate_changes.note_drift(self.engine, account.name)
        except OutOfReachError as error:
            # The token is there all the same, and so is the line above.
            log.warning(
                "account %s: the replaced access_token is not in the history: %s",
                account.name,
                error,
            )


def parts() -> WorkerParts:
    """Return this process's parts."""
    with _building:
        return _build(os.getpid())


@functools.cache
def _build(_pid: int) -> WorkerParts:
    made = WorkerParts()
    # What a setting makes impossible is said when a worker starts.
    made.accounts, made.engine, made.wechat.tokens  # noqa: B018 - built here
    return made


def end_deliveries(timeout_s: float) -> None:
    """Wait so long, in all, for what is under way beside the tasks."""
    # A worker that was refused at its start has no parts, and builds none to end.
    if _build.cache_info().currsize:
        here, end = parts(), time.monotonic() + timeout_s
        for crew in (here.requests, here.launches, here.webhooks, here.notices):
            crew.join(end - time.monotonic())
        here.metrics.stop()


def lane_owner(pid: int) -> str:
    """Return a new name for this process as a driver of lanes, in ASCII as its column is."""
    host = socket.gethostname().encode("ascii", "backslashreplace").decode("ascii")
    return f"{host[:80]}:{pid}:{secrets.token_hex(4)}"


def pool_size(concurrency: int) -> int:
    """Return the number of connections of a worker to the database; busy, it opens as many more.

    A lane waits for WeChat most of its time, so a third as many as there are threads is plenty.
    """
    return min(max(concurrency // 6, 2), 32)
