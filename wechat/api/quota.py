"""openapi/quota/get: the calls of one interface today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wechat.errors import InvalidRequestError, TransportKind
from wechat.reply import RawReply, success
from wechat.request import Body, Request, json_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Calls of one interface today."""

    daily_limit: int
    used: int
    remain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaGet(Request[Quota]):
    """Ask for the calls of *cgi_path* today, such as ``/cgi-bin/message/mass/send``.

    Raises ``APIError``: 76003, 76021, 76022, 44993, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/openapi/quota/get"

    cgi_path: str

    def body(self) -> Body:
        """Return the path; without its leading slash WeChat would answer 76003."""
        if not self.cgi_path.startswith("/"):
            raise InvalidRequestError(field="cgi_path", problem="must be a path that begins with /")
        return Body(data=json_bytes({"cgi_path": self.cgi_path}, name="cgi_path"))

    def read(self, raw: RawReply) -> Quota:
        """Return the figures."""
        figures = success(raw).object("quota")
        if figures is None:
            raise raw.error(TransportKind.GARBAGE, "no quota")
        daily_limit, used = figures.integer("daily_limit"), figures.integer("used")
        remain = figures.integer("remain")
        if daily_limit is None or used is None or remain is None:
            raise raw.error(TransportKind.GARBAGE, "quota without daily_limit, used or remain")
        return Quota(daily_limit=daily_limit, used=used, remain=remain)
