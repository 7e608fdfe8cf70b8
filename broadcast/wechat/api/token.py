"""cgi-bin/token and cgi-bin/stable_token: an access_token for an AppSecret.

Both raise ``APIError`` with 40001, 40013, 40125, 40164, 40243, 45009, 45011, 89503, -1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final, Literal

from pydantic import SecretStr

from broadcast.wechat.deadline import Timeouts
from broadcast.wechat.endpoint import LONGEST_TOKEN, Body, RawReply, Request, payload, success
from broadcast.wechat.frozen_values import frozen

GRANT_TYPE: Final = "client_credential"
# Short: a process that fetches a token keeps all others from fetching it.
_TIMEOUTS: Final = Timeouts(connect_s=5, read_s=10, total_s=15)


@frozen
class TokenReply:
    """An access_token and the seconds it has left."""

    access_token: SecretStr
    expires_in: int


@frozen
class _TokenRequest(Request[TokenReply]):
    """Parts that both ways to a token share."""

    timeouts: ClassVar[Timeouts] = _TIMEOUTS
    needs_token: ClassVar[bool] = False
    confidential: ClassVar[bool] = True

    appid: str
    secret: SecretStr

    def read(self, raw: RawReply) -> TokenReply:
        """Return the token."""
        reply = success(raw)
        access_token, expires_in = reply.secret("access_token"), reply.integer("expires_in")
        if access_token is None or expires_in is None or expires_in <= 0:
            raise raw.garbage("no access_token or no expires_in")
        if len(access_token) > LONGEST_TOKEN:
            size = len(access_token)
            problem = f"access_token of {size} characters, {LONGEST_TOKEN} can be stored"
            raise raw.garbage(problem)
        return TokenReply(access_token=access_token, expires_in=expires_in)


@frozen
class ClassicToken(_TokenRequest):
    """Fetch a new classic token, which supersedes the one before (GET cgi-bin/token).

    The old one lives 5 more minutes.
    """

    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str] = "/cgi-bin/token"

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return the AppID and its secret."""
        return {"grant_type": GRANT_TYPE, "appid": self.appid, "secret": self.secret}


@frozen
class StableToken(_TokenRequest):
    """Fetch the stable token (POST cgi-bin/stable_token): the same one until its last 5 minutes.

    *force_refresh* kills it at once and is allowed 20 times a day, 30 s apart.
    """

    path: ClassVar[str] = "/cgi-bin/stable_token"

    force_refresh: bool = False

    def body(self) -> Body:
        """Return the AppID and its secret."""
        return Body(
            data={
                "grant_type": GRANT_TYPE,
                "appid": self.appid,
                "secret": self.secret,
                "force_refresh": self.force_refresh,
            }
        )


@frozen
class Pong:
    """That WeChat answered: after how many milliseconds, and at what time by its own clock."""

    elapsed_ms: int
    #: Aware UTC, to the second; None where the reply names no time.
    date: datetime | None


@frozen
class Ping(Request[Pong]):
    """Ask for an answer, whatever it is. Raises ``UnknownOutcomeError`` for another server's."""

    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str] = "/cgi-bin/token"
    needs_token: ClassVar[bool] = False

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return what is asked for, and nobody who asks."""
        return {"grant_type": GRANT_TYPE}

    def read(self, raw: RawReply) -> Pong:
        """Return how long it took, and WeChat's time."""
        if "errcode" not in payload(raw):
            raise raw.garbage("no errcode")
        return Pong(elapsed_ms=raw.elapsed_ms, date=raw.date)
