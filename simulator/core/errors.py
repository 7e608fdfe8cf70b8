"""Refusals of WeChat: the errcode, the words of section 9.2, and the rid of section 0.1."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

SUBMITTED = "send job submission success"

TEXTS: dict[int, str] = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40007: "invalid media_id",
    40008: "invalid message type",
    40013: "invalid appid",
    40014: "invalid access_token",
    40031: "invalid openid list",
    40032: "invalid openid list size",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40035: "invalid args size",
    40059: "invalid msg id",
    40073: "invalid card id",
    40125: "invalid appsecret",
    40126: "invalid text size",
    40130: "invalid openid list size, at least two openid",
    40164: "invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist",
    40243: "AppSecret已被冻结，请登录MP解冻后再次调用",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    42001: "access_token expired",
    42010: "masssend fast, retry again",
    43001: "require GET method",
    43002: "require POST method",
    44002: "empty post data",
    44004: "empty content",
    44993: "reach max api day frequence limit",
    45002: "content size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45019: "too many openid, please input less",
    45020: "too many image, please input less",
    45028: "has no masssend quota",
    45065: "clientmsgid exist",
    45066: "same clientmsgid retry too fast",
    45067: "clientmsgid size out of limit",
    45159: "invalid tag id",
    47001: "data format error",
    48001: "api unauthorized",
    48003: "user not agree mass-send protocol",
    48004: "api forbidden for irregularities, view detail on mp.weixin.qq.com",
    48008: "no permission for this msgtype",
    50002: "user limited",
    76003: "cgi_path is invalid",
    76021: "cgi_path not found, please check",
    76022: "cgi_path is not available for this account",
}
LONG_40001 = (
    ", could get access_token by getStableAccessToken,"
    " more details at https://mmbizurl.cn/s/JtxxFh33r"
)
INVALID_CREDENTIAL = 40001
ALREADY_ACCEPTED = 45065
# Seen on the wire without any suffix (section 2.3).
BARE = frozenset({ALREADY_ACCEPTED})

_HINT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class RefusalError(Exception):
    """WeChat refuses the call; `fields` go into the reply beside errcode and errmsg."""

    def __init__(
        self, errcode: int, *, errmsg: str | None = None, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.errmsg = TEXTS.get(errcode, "unknown error") if errmsg is None else errmsg
        self.fields = dict(fields or {})


def rid(now: float, random_: random.Random) -> str:
    """Return a request id: the hex Unix seconds of the call and two more groups."""
    return f"{int(now):08x}-{random_.getrandbits(32):08x}-{random_.getrandbits(32):08x}"


def hint(random_: random.Random) -> str:
    """Return a hint of 14 characters, as older errors carry it."""
    return "".join(random_.choices(_HINT_ALPHABET, k=14))
