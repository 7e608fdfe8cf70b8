"""One account in one process: its access_token is fetched, kept in memory, and replaced once.

For programs that use this package alone. Several processes of one account need no more: with
stable_token WeChat gives each of them the same token.
"""

from __future__ import annotations

import threading
import time
from typing import Final, TypeVar

from pydantic import SecretStr

from wechat.api.mass import MassReply
from wechat.api.token import StableToken
from wechat.client import WeChatClient
from wechat.errors import APIError
from wechat.request import Request

Reply = TypeVar("Reply")

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
        :meth:`wechat.client.WeChatClient.call` does.
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
            if self._token is None or time.monotonic() >= self._until:
                reply = self._client.call(StableToken(appid=self._appid, secret=self._secret))
                self._token = reply.access_token
                self._until = time.monotonic() + max(0, reply.expires_in - _MARGIN_S)
            return self._token
