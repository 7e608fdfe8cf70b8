"""WeChat's interface, one method per endpoint.

Usage::

    client = WeChatClient("https://api.weixin.qq.com")
    token = client.stable_token("wx…", secret).access_token
    reply = client.mass_send(token, MassSend(openids=…, content=…, clientmsgid=…))

It makes every call exactly once: no retry, no redirect, no refresh of a token. It knows no batches
and no policy. What it promises instead is an answer about every call within its total time-out: a
reply, an errcode, "not sent" or "unknown".

One client serves any number of threads and accounts.
"""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from wechat import bodies, replies
from wechat.transport import Call, Transport
from wechat.values import (
    MassReply,
    MassSend,
    MassSendAll,
    MassStatus,
    Quota,
    SendBy,
    Timeouts,
    TokenReply,
)

__all__ = ["WeChatClient"]

_GRANT_TYPE: Final = "client_credential"


class WeChatClient:
    """Calls WeChat.

    Every method raises ``NotSentError`` or ``UnknownOutcomeError`` when no answer of WeChat's own
    comes, and ``InvalidRequestError`` before anything is sent. Proxies and a CA bundle are taken
    from the usual variables (``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``).
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        pool_size: int = 64,
        most_text_chars: int = bodies.MOST_TEXT_CHARS,
    ) -> None:
        """Prepare, without connecting.

        *pool_size*: connections, and so calls, at one time; a call beyond them waits for as long
        as a connect may take. *most_text_chars*: longer texts are refused here.
        Raises ``InvalidRequestError`` for a base_url that is none.
        """
        # The URL may hold a password, and the arguments of this frame are seen in a traceback.
        secret_url = SecretStr(base_url)
        del base_url
        self._most_text_chars = most_text_chars
        self._transport = Transport(secret_url, timeouts=timeouts, pool_size=pool_size)

    def __repr__(self) -> str:
        # A traceback may draw a client whose making failed.
        return f"{type(self).__name__}({getattr(self, '_transport', None)!r})"

    def close(self) -> None:
        """Close idle connections and refuse further calls."""
        self._transport.close()

    def token(self, appid: str, secret: SecretStr) -> TokenReply:
        """Fetch a new classic token, which supersedes the one before (GET cgi-bin/token).

        The old one lives 5 more minutes. Raises ``APIError``: 40001, 40013, 40125, 40164, 40243,
        45009, 45011, 89503, -1.
        """
        call = Call(
            method="GET",
            path="/cgi-bin/token",
            query={"grant_type": _GRANT_TYPE, "appid": appid, "secret": secret},
            confidential=True,
        )
        return replies.token(self._transport.call(call))

    def stable_token(
        self, appid: str, secret: SecretStr, *, force_refresh: bool = False
    ) -> TokenReply:
        """Fetch the stable token (POST cgi-bin/stable_token).

        The same one until its last 5 minutes; *force_refresh* kills it at once and is allowed 20
        times a day, 30 s apart. Raises ``APIError`` as ``token`` does.
        """
        call = Call(
            method="POST",
            path="/cgi-bin/stable_token",
            fields={
                "grant_type": _GRANT_TYPE,
                "appid": appid,
                "secret": secret,
                "force_refresh": force_refresh,
            },
            confidential=True,
        )
        return replies.token(self._transport.call(call))

    def warm(self) -> bool:
        """Have a connection open for a call that must leave at once; return whether there is one.

        It takes as long as a connect may, and raises nothing that a call would not.
        """
        return self._transport.warm()

    def mass_send_body(self, request: MassSend) -> bytes:
        """Return the body of mass/send, made ready for a call to come."""
        return bodies.mass_send(request, most_text_chars=self._most_text_chars)

    def mass_send(
        self, token: SecretStr, request: MassSend | bytes, *, send_by: SendBy | None = None
    ) -> MassReply:
        """Send to a list of OpenIDs (POST message/mass/send). Never raises for an errcode.

        *request*, or what ``mass_send_body`` made of it. No byte leaves after *send_by*: a
        connection that is ready later is a ``NotSentError``.
        """
        body = request if isinstance(request, bytes) else self.mass_send_body(request)
        raw = self._post("/cgi-bin/message/mass/send", token, body, send_by=send_by)
        return replies.mass(raw)

    def mass_sendall(self, token: SecretStr, request: MassSendAll) -> MassReply:
        """Send to a tag or everybody (POST message/mass/sendall). Never raises for an errcode."""
        body = bodies.mass_sendall(request, most_text_chars=self._most_text_chars)
        return replies.mass(self._post("/cgi-bin/message/mass/sendall", token, body))

    def mass_get(self, token: SecretStr, msg_id: int) -> MassStatus:
        """Ask how a mass send fares (POST message/mass/get).

        Raises ``APIError``: 40059 also for a msg_id that is not visible yet, token errors.
        A reply about another msg_id is no answer: ``UnknownOutcomeError``.
        """
        body = bodies.mass_get(msg_id)
        raw = self._post("/cgi-bin/message/mass/get", token, body)
        return replies.mass_status(raw, asked=msg_id)

    def quota(self, token: SecretStr, cgi_path: str) -> Quota:
        """Ask for the calls of one interface today (POST openapi/quota/get).

        *cgi_path* such as ``/cgi-bin/message/mass/send``. Raises ``APIError``: 76003, 76021, 76022,
        44993, token errors.
        """
        body = bodies.quota(cgi_path)
        return replies.quota(self._post("/cgi-bin/openapi/quota/get", token, body))

    def _post(
        self, path: str, token: SecretStr, body: bytes, *, send_by: SendBy | None = None
    ) -> replies.RawReply:
        query = {"access_token": token}
        call = Call(method="POST", path=path, query=query, body=body, send_by=send_by)
        return self._transport.call(call)
