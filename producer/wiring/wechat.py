"""WeChat and the shared access_token."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from broadcast.built_once import built_once
from broadcast.errors import BroadcastError, WeChatAwayError
from broadcast.message import Message
from broadcast.redaction import redact
from broadcast.rules.accounts import Account, paths_of
from broadcast.rules.calls.attempts import storable_status
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.drafts import Marks
from broadcast.rules.media import NO_SUCH_MEDIA, STAND_IN, MediaKind, used
from broadcast.rules.plan import proof
from broadcast.settings.program_settings import Settings
from broadcast.tokens.claim_counter import ClaimCounter
from broadcast.tokens.pace import Limiter
from broadcast.tokens.redis_access import Connection, Keys, connect
from broadcast.tokens.sweep_mark import SweepMark
from broadcast.tokens.token_service import TokenService, TokenView
from broadcast.wechat.api.drafts import NO_SUCH_DRAFT, DraftGet
from broadcast.wechat.api.mass import NO_SUCH_JOB, MassGet
from broadcast.wechat.api.media import MaterialGet, MediaGet
from broadcast.wechat.api.quotas import Quota, QuotaGet
from broadcast.wechat.api.tags import TagInfo, TagsGet
from broadcast.wechat.api.token import ClassicToken, Ping, Pong, StableToken
from broadcast.wechat.call_errors import APIError, TransportError, WeChatError
from broadcast.wechat.client import Session, WeChatClient
from broadcast.wechat.deadline import Timeouts
from broadcast.wechat.endpoint import Request
from broadcast.wechat_account.account_client import INTERFACES, AccountClient, ClientTokenFetcher
from broadcast.wechat_account.translate import marks

Reply = TypeVar("Reply")

#: How the call of an access_token ends.
OF_TOKENS = (StableToken.path, ClassicToken.path)
#: A person waits: shorter than the worker's.
TIMEOUTS = Timeouts(connect_s=3, read_s=5, total_s=8)


class WeChatRefusedError(BroadcastError):
    """WeChat answered, and would not."""


class WeChatUnclearError(WeChatAwayError):
    """The call left, and no answer came that can be trusted: it may have done its work."""


class WeChat:
    """The way of one process to WeChat, with the token and the pace that all processes share."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_drift: Callable[[Account], None],
        timeouts: Timeouts | None = TIMEOUTS,
        connections: int = 2,
    ) -> None:
        """*on_drift* is called when another program refreshes an account's token.

        *timeouts*: no call takes longer; None: as its endpoint allows. *connections*: to each API
        base, and so calls, at one time.
        """
        self._settings, self._on_drift = settings, on_drift
        self._timeouts, self._connections = timeouts, connections
        self._keys = Keys(prefix=settings.redis_prefix)
        self._clients: dict[tuple[str, Timeouts | None], WeChatClient] = {}
        self._building = threading.Lock()

    @built_once
    def redis(self) -> Connection:
        """The connection to Redis; it connects when it is first used."""
        return connect(self._settings.redis_url)

    @built_once
    def tokens(self) -> TokenService:
        """The token service of all accounts."""
        by_appid = {account.appid: account for account in self._settings.accounts().values()}
        clients = {appid: self._client(account.api_base) for appid, account in by_appid.items()}
        return TokenService(
            self.redis,
            ClientTokenFetcher(by_appid, clients),
            keys=self._keys,
            on_drift=lambda appid: self._on_drift(by_appid[appid]),
        )

    @built_once
    def limiter(self) -> Limiter:
        """The pace of all accounts."""
        return Limiter(self.redis, keys=self._keys)

    @built_once
    def sweep_mark(self) -> SweepMark:
        """The mark of the last sweep."""
        return SweepMark(self.redis, keys=self._keys)

    def claim_counter(self, installation: str) -> ClaimCounter:
        """Return the count of the claims of one database."""
        return ClaimCounter(self.redis, keys=self._keys, installation=installation)

    def pace(self, account: Account) -> AccountPace:
        """Return the account's pace."""
        return AccountPace(self.limiter, account)

    def client(self, account: Account, timeouts: Timeouts | None = None) -> AccountClient:
        """Return the account's way to WeChat."""
        return AccountClient(self._client(account.api_base, timeouts), self.tokens, account)

    def _client(self, base: str, timeouts: Timeouts | None = None) -> WeChatClient:
        limits = timeouts or self._timeouts
        with self._building:
            made = self._clients.get((base, limits))
            if made is None:
                made = WeChatClient(base, timeouts=limits, pool_size=self._connections)
                self._clients[base, limits] = made
        return made

    @staticmethod
    @contextlib.contextmanager
    def answering(account: Account) -> Iterator[None]:
        """Turn what WeChat's client raises inside into what :meth:`quota` raises."""
        try:
            yield
        except WeChatError as error:
            problem = _as_ours(error, account)
        else:
            return
        raise problem

    def ask(
        self, account: Account, request: Request[Reply], *, timeouts: Timeouts | None = None
    ) -> Reply:
        """Return WeChat's answer to *request*. Raises as :meth:`quota`."""
        with self.answering(account):
            if not request.needs_token:
                return self._client(account.api_base, timeouts).call(request)
            return self.client(account, timeouts).ask(request)

    def ask_for(
        self,
        account: Account,
        request: Request[Reply],
        *,
        absent: int,
        timeouts: Timeouts | None = None,
    ) -> Reply | None:
        """Ask as :meth:`ask`; return None for the errcode *absent*, which says there is none."""
        try:
            return self.ask(account, request, timeouts=timeouts)
        except WeChatRefusedError as error:
            if error.facts["errcode"] != absent:
                raise
        return None

    def ping(self, account: Account) -> Pong:
        """Ask WeChat for any answer at the account's address. Raises WeChatAwayError."""
        return self.ask(account, Ping())

    def quota(self, account: Account, path: SendPath = SendPath.MASS_SEND) -> proof.Quota:
        """Ask for today's calls of one interface, with one new token if the shared one is refused.

        Raises WeChatAwayError, WeChatRefusedError, RedisAwayError, TokenRefusedError and alike.
        """
        return _quota_of(self.ask(account, QuotaGet(cgi_path=INTERFACES[path].path)))

    def quotas_by_own_token(self, account: Account) -> Mapping[SendPath, proof.Quota]:
        """Ask for today's calls of both interfaces, with a token that nobody else gets to see.

        A stable token is the same one for whoever asks, and replaces no classic one: nothing
        changes, and no Redis is needed. Raises as :meth:`quota`; an interface that this kind of
        account lacks is left out.
        """
        session = Session(
            self._client(account.api_base), appid=account.appid, secret=account.appsecret
        )

        def quota(path: SendPath) -> proof.Quota:
            with self.answering(account):
                return _quota_of(session.call(QuotaGet(cgi_path=INTERFACES[path].path)))

        first, second = paths_of(account)
        found = {first: quota(first)}
        with contextlib.suppress(WeChatRefusedError):
            found[second] = quota(second)
        return found

    def status_of_job(self, account: Account, msg_id: int) -> str | None:
        """Ask mass/get how the job of this msg_id fares; None: WeChat has no such job.

        Raises WeChatAwayError, WeChatRefusedError, RedisAwayError, TokenRefusedError and alike.
        """
        answer = self.ask_for(account, MassGet(msg_id=msg_id), absent=NO_SUCH_JOB)
        return None if answer is None else storable_status(answer.msg_status)

    def draft(self, account: Account, media_id: str) -> Marks | None:
        """Return a draft's facts; None: WeChat has none of this id. Raises as :meth:`quota`."""
        articles = self.ask_for(account, DraftGet(media_id=media_id), absent=NO_SUCH_DRAFT)
        return None if articles is None else marks(articles)

    def gone(self, account: Account, content: Mapping[str, Any]) -> Iterator[Message]:
        """Yield which media_ids of a content WeChat has not (any more). Raises as :meth:`quota`."""
        # No page says that WeChat shows what media/uploadvideo made.
        media_ids = [
            one
            for one, kind in used(content)
            if kind is not MediaKind.MPVIDEO and not one.startswith(STAND_IN)
        ]
        if article := content.get("mpnews"):
            media_ids += [article["media_id"]] * (self.draft(account, article["media_id"]) is None)
        for media_id in media_ids:
            if not self._has(account, MediaGet(media_id=media_id)) and not self._has(
                account, MaterialGet(media_id=media_id)
            ):
                yield Message("notice.media.gone", media_id=media_id)

    def _has(self, account: Account, look: Request[None]) -> bool:
        try:
            self.ask(account, look)
        except WeChatRefusedError as error:
            if error.facts["errcode"] != NO_SUCH_MEDIA:
                raise
            return False
        return True

    def members(self, account: Account, tag_id: int) -> Iterator[bytes]:
        """Yield the packed OpenIDs of those who have a tag, sorted. Raises as :meth:`quota`."""
        # numpy costs 0.1 s, which most commands should not pay.
        from broadcast.wechat_account import tags

        with self.answering(account):
            yield from tags.members(self.client(account), tag_id)

    def refresh_token(self, account: Account, *, reason: str = "by hand") -> None:
        """Fetch the token now. Raises as :meth:`quota`."""
        with self.answering(account):
            self.client(account).refresh(reason=reason)

    def view_token(self, account: Account) -> TokenView | None:
        """Return the parts of the shared token that may be shown. Raises RedisAwayError."""
        return self.tokens.peek(account.appid)

    def redis_problem(self) -> BroadcastError | None:
        """Return the problem with Redis, without which no lane moves."""
        try:
            self.redis.ping()
        except BroadcastError as error:
            return error
        return None

    def close(self) -> None:
        """Close the connections, where a command lives on without them."""
        for client in self._clients.values():
            client.close()
        if "redis" in self.__dict__:
            self.redis.close()


class QuotaWithReason:
    """:class:`~producer.submit.prepare.QuotaSource` on WeChat; keeps why it had no answer."""

    def __init__(self, wechat: WeChat) -> None:
        """Start without a reason."""
        self._wechat = wechat
        self.why: BroadcastError | None = None

    def quota(self, account: Account, path: SendPath = SendPath.MASS_SEND) -> proof.Quota | None:
        """Return today's calls of one interface, or None where WeChat gives no answer."""
        try:
            return self._wechat.quota(account, path)
        except BroadcastError as error:
            self.why = error
            return None

    def tagged(self, account: Account, tag_id: int) -> int | None:
        """Return the number of followers with a tag, or None where WeChat gives no answer."""
        # What keeps it from an answer keeps it from saying its quota, of which a person hears.
        tags = ClientChecks(self._wechat).tags(account) or ()
        return next((one.count for one in tags if one.id == tag_id), None)


class AccountPace:
    """The pace of one account's calls, on the limiter that all processes share."""

    def __init__(self, limiter: Limiter, account: Account) -> None:
        """*account*: the account that has this pace."""
        self._limiter = limiter
        self._account = account

    def take_slot(self) -> float:
        """Return 0 for a slot taken now, else the seconds to wait. Raises RedisAwayError."""
        return self._limiter.take_slot(self._account.appid, self._account.calls_per_minute)


class ClientChecks:
    """:class:`producer.request.door.WeChatChecks` on WeChat."""

    def __init__(self, wechat: WeChat) -> None:
        """*wechat*: the way to WeChat."""
        self._wechat = wechat

    def tags(self, account: Account) -> Sequence[TagInfo] | None:
        """Return every tag, or None where WeChat gives no answer."""
        try:
            return self._wechat.ask(account, TagsGet())
        except BroadcastError:
            # What keeps WeChat from an answer is said of its quota; the plan asks for the people.
            return None

    def draft(self, account: Account, media_id: str) -> Marks | None:
        """Return a draft's facts; None: there is none. Raises WeChatAwayError and alike."""
        return self._wechat.draft(account, media_id)


def _quota_of(answer: Quota) -> proof.Quota:
    return proof.Quota(daily_limit=answer.daily_limit, used=answer.used, remain=answer.remain)


def _as_ours(error: WeChatError, account: Account) -> BroadcastError:
    if isinstance(error, APIError):
        return WeChatRefusedError(
            "error.wechat.refused",
            account=account.name,
            endpoint=error.endpoint,
            errcode=error.errcode,
            errmsg=error.errmsg,
            rid=error.rid or "-",
        )
    reason: Message | str = str(error)
    if isinstance(error, TransportError):
        reason = Message(f"transport.{error.kind}")
    # Of a call for a token nothing hangs on whether it arrived.
    of_token = isinstance(error, TransportError) and error.path in OF_TOKENS
    left = isinstance(error, TransportError) and error.sent and not of_token
    kind = WeChatUnclearError if left else WeChatAwayError
    return kind("error.wechat.away", address=redact(account.api_base), reason=reason)
