"""The calls that an account has: asked for, set back to none, and one looked at by its rid.

WeChat lets an account clear ten times a month, by whatever interface and in the console together
(48006 beyond). A clearing gives calls back, never messages (45028).
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Final

from pydantic import SecretStr

from broadcast.wechat.call_errors import NO_SECRETS, InvalidRequestError
from broadcast.wechat.endpoint import Body, Deed, RawReply, Request, json_body, success
from broadcast.wechat.frozen_values import frozen

#: Clearings of one month (WeChat pages "API_Call_Limits", "clearQuota").
MOST_CLEARS: Final = 10


@frozen
class Quota:
    """Calls of one interface today."""

    daily_limit: int
    used: int
    remain: int


@frozen
class QuotaGet(Request[Quota]):
    """Ask for the calls of *cgi_path* today, such as ``/cgi-bin/message/mass/send``.

    Raises ``APIError``: 76003, 76021, 76022, 44993, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/openapi/quota/get"

    cgi_path: str

    def body(self) -> Body:
        """Return the path."""
        return _of_path(self.cgi_path)

    def read(self, raw: RawReply) -> Quota:
        """Return the figures."""
        figures = success(raw).object("quota")
        if figures is None:
            raise raw.garbage("no quota")
        daily_limit, used = figures.integer("daily_limit"), figures.integer("used")
        remain = figures.integer("remain")
        if daily_limit is None or used is None or remain is None:
            raise raw.garbage("quota without daily_limit, used or remain")
        return Quota(daily_limit=daily_limit, used=used, remain=remain)


@frozen
class QuotaClear(Deed):
    """Set the calls of *cgi_path* back to none used (POST openapi/quota/clear).

    A repeat clears once more. Raises ``APIError``: 48006, 76003, 76021, 76022, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/openapi/quota/clear"

    cgi_path: str

    def body(self) -> Body:
        """Return the path."""
        return _of_path(self.cgi_path)


@frozen
class ClearQuota(Deed):
    """Set the calls of every interface back to none used (POST clear_quota).

    A repeat clears once more. Raises ``APIError``: 48006, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/clear_quota"

    appid: str

    def body(self) -> Body:
        """Return the AppID."""
        return json_body({"appid": self.appid}, name="appid")


@frozen
class ClearQuotaBySecret(Deed):
    """Do what :class:`ClearQuota` does without an access_token (POST clear_quota/v2).

    For an account whose calls for tokens are used up.
    """

    path: ClassVar[str] = "/cgi-bin/clear_quota/v2"
    needs_token: ClassVar[bool] = False

    appid: str
    secret: SecretStr

    def body(self) -> Body:
        """Return AppID and AppSecret; the secret is written when it leaves."""
        return Body(data={"appid": self.appid, "appsecret": self.secret})


@frozen
class SeenRequest:
    """A call as WeChat received it: when, how long it took, from where, and what was asked.

    The access_token in its URL is masked; bodies are as they were, and in no ``repr``.
    """

    invoke_time: int | None
    cost_in_ms: int | None
    request_url: str | None = field(repr=False)
    request_body: str | None = field(repr=False)
    response_body: str | None = field(repr=False)
    client_ip: str | None


@frozen
class RidGet(Request[SeenRequest]):
    """Ask what WeChat received of the call with this *rid* (POST openapi/rid/get).

    The URL holds that call's access_token, so nothing of the reply is shown in errors.
    Raises ``APIError`` for a rid that it does not have, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/openapi/rid/get"
    confidential: ClassVar[bool] = True

    rid: str

    def body(self) -> Body:
        """Return the rid."""
        return json_body({"rid": self.rid}, name="rid")

    def read(self, raw: RawReply) -> SeenRequest:
        """Return what is known of the call."""
        seen = success(raw).object("request")
        if seen is None:
            raise raw.garbage("no request")
        texts: dict[str, Any] = {
            name: seen.text(name)
            for name in ("request_url", "request_body", "response_body", "client_ip")
        }
        url = texts["request_url"]
        texts["request_url"] = None if url is None else NO_SECRETS.mask(url)
        return SeenRequest(
            invoke_time=seen.integer("invoke_time"), cost_in_ms=seen.integer("cost_in_ms"), **texts
        )


def _of_path(cgi_path: str) -> Body:
    """Return the path; without its leading slash WeChat would answer 76003."""
    if not cgi_path.startswith("/"):
        raise InvalidRequestError(field="cgi_path", problem="must be a path that begins with /")
    return json_body({"cgi_path": cgi_path}, name="cgi_path")
