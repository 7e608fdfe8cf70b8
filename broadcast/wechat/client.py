"""The client: makes the calls of ``broadcast.wechat.api``, each exactly once.

Usage::

    client = WeChatClient("https://api.weixin.qq.com")
    token = client.call(StableToken(appid="wx…", secret=secret)).access_token
    reply = client.call(MassSend(openids=…, content=…, clientmsgid=…), token=token)

No retry, no redirect, no refresh of a token: it knows no batches and no policy. What it promises
instead is an answer about every call within its total time-out: a reply, an errcode, "not sent" or
"unknown".

One client serves any number of threads and accounts.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import Final, TypeVar

from pydantic import SecretStr

from broadcast.wechat.api.mass import MassReply
from broadcast.wechat.api.token import StableToken
from broadcast.wechat.call_errors import APIError, InvalidRequestError
from broadcast.wechat.deadline import SendBy, Timeouts
from broadcast.wechat.endpoint import Body, Request
from broadcast.wechat.transport import Call, Transport

Reply = TypeVar("Reply")


class WeChatClient:
    """Calls WeChat. Proxies and a CA bundle are taken from the usual variables.

    These are ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE`` and their like.
    """

    def __init__(
        self, base_url: str, *, timeouts: Timeouts | None = None, pool_size: int = 64
    ) -> None:
        """Prepare, without connecting.

        *timeouts*: no call takes longer, whatever its endpoint allows. *pool_size*: connections,
        and so calls, at one time; a call beyond them waits for as long as a connect may take.
        Raises ``InvalidRequestError`` for a base_url that is none.
        """
        # The URL may hold a password, and the arguments of this frame are seen in a traceback.
        secret_url = SecretStr(base_url)
        del base_url
        self._timeouts = timeouts
        self._transport = Transport(secret_url, pool_size=pool_size)

    def __repr__(self) -> str:
        # A traceback may draw a client whose making failed.
        return f"{type(self).__name__}({getattr(self, '_transport', None)!r})"

    def close(self) -> None:
        """Close idle connections and refuse further calls."""
        self._transport.close()

    def warm(self, endpoint: type[Request[Reply]]) -> bool:
        """Open a connection for a call that must leave at once; return whether there is one.

        It takes as long as a connect of *endpoint* may, and raises nothing that a call would not.
        """
        return self._transport.warm(self._limits(endpoint))

    def call(
        self,
        request: Request[Reply],
        *,
        token: SecretStr | None = None,
        body: Body | None = None,
        send_by: SendBy | None = None,
    ) -> Reply:
        """Make *request* once and return what WeChat answered.

        *body*: what ``request.body()`` made of it before. *send_by*: no byte leaves later; a
        connection that is ready later is a ``NotSentError``.

        Raises ``NotSentError`` or ``UnknownOutcomeError`` when no answer of WeChat's own comes,
        ``InvalidRequestError`` before anything is sent, and what the request says of its errcodes.
        """
        if request.needs_token is (token is None):
            problem = "is missing" if request.needs_token else "is not for this endpoint"
            raise InvalidRequestError(field="access_token", problem=problem)
        query = dict(request.query())
        if token is not None:
            query["access_token"] = token
        call = Call(
            method=request.method,
            path=request.path,
            timeouts=self._limits(type(request)),
            query=query,
            body=request.body() if body is None else body,
            largest_reply_bytes=request.largest_reply_bytes,
            only_begins=request.only_begins,
            confidential=request.confidential,
            send_by=send_by,
        )
        return request.read(self._transport.call(call))

    def _limits(self, endpoint: type[Request[Reply]]) -> Timeouts:
        limits = endpoint.timeouts
        return limits if self._timeouts is None else limits.within(self._timeouts)


#: WeChat refuses the token before it looks at anything else of a call (its page "AccessToken").
REFUSES_TOKEN: Final = frozenset({40001, 40014, 41001, 42001})
#: In its last five minutes WeChat gives another token.
_MARGIN_S: Final = 300


class Session:
    """Calls WeChat for one account. One session serves any number of threads."""

    def __init__(self, client: WeChatClient, *, appid: str, secret: SecretStr) -> None:
        """Take the client, and the account's AppID and AppSecret; nothing is called yet."""
        self._client = client
        self._appid = appid
        self._secret = secret
        self._lock = threading.Lock()
        self._token: SecretStr | None = None
        self._until = 0.0

    def call(self, request: Request[Reply]) -> Reply:
        """Make *request* and return what WeChat answered.

        It is made once, and once more with another token where WeChat refused the first one and it
        is repeatable. A mass send is not: the caller's own repeat has another token. Raises what
        :meth:`broadcast.wechat.client.WeChatClient.call` does.
        """
        if not request.needs_token:
            return self._client.call(request)
        token = self._get()
        try:
            reply = self._client.call(request, token=token)
        except APIError as error:
            if error.errcode not in REFUSES_TOKEN:
                raise
            self._forget(token)
            if not request.repeatable:
                raise
        else:
            # A mass send returns WeChat's word, whatever it is.
            if isinstance(reply, MassReply) and reply.errcode in REFUSES_TOKEN:
                self._forget(token)
            return reply
        return self._client.call(request, token=self._get())

    def _forget(self, refused: SecretStr) -> None:
        with self._lock:
            # Another thread may have fetched the next one.
            if self._token == refused:
                self._token = None

    def _get(self) -> SecretStr:
        with self._lock:
            if self._token is None or monotonic() >= self._until:
                reply = self._client.call(StableToken(appid=self._appid, secret=self._secret))
                self._token = reply.access_token
                self._until = monotonic() + max(0, reply.expires_in - _MARGIN_S)
            return self._token
