"""Bots of chats: real HTTP servers that check a post as the real ones do, and answer in their form.

What they check and answer is of their own pages, and shares no code with ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.kit.receiver import Posted, Receiver
from tests.kit.wait import until

KEY = "693a91f6-7a4b-4bc4-97a0-0ec2sifa5aaa"
SECRET = "SEC0123456789abcdef"


@dataclass
class Bot:
    """One bot; what it confirmed is in `texts`."""

    receiver: Receiver
    path: str
    judge: Callable[[Bot, Posted], tuple[object, str | None]]
    #: Answered in the place of its own judgement.
    instead: bytes | None = None
    texts: list[str] = field(default_factory=list)
    #: Called with each text before it is answered.
    before: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.receiver.status = 200
        self.receiver.before = self._answer

    @property
    def url(self) -> str:
        """What stands in BROADCAST_NOTIFY."""
        return f"http://127.0.0.1:{self.receiver.port}{self.path}"

    def _answer(self, posted: Posted) -> None:
        answer, text = self.judge(self, posted)
        self.before(text or "")
        if self.instead is not None:
            self.receiver.answer = self.instead
            return
        if text is not None and self.receiver.status == 200:
            self.texts.append(text)
        self.receiver.answer = answer.encode() if isinstance(answer, str) else _json(answer)

    def until_texts(self, count: int, timeout_s: float = 60) -> list[str]:
        """Wait until so many texts were confirmed; return them."""
        until(lambda: len(self.texts) >= count, timeout_s, f"{count} texts")
        return list(self.texts)


def _json(answer: object) -> bytes:
    return json.dumps(answer).encode()


def _query(posted: Posted) -> dict[str, str]:
    return {name: one for name, [one] in parse_qs(urlsplit(posted.path).query).items()}


def _signed(key: str, words: str) -> str:
    digest = hmac.new(key.encode(), words.encode(), digestmod=hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _wecom(_: Bot, posted: Posted) -> tuple[object, str | None]:
    body = json.loads(posted.body)
    if _query(posted) != {"key": KEY}:
        return {"errcode": 93000, "errmsg": "invalid webhook url, hint: [1]"}, None
    content = body["text"]["content"]
    if body["msgtype"] != "text" or len(content.encode()) > 2048:
        return {"errcode": 40058, "errmsg": "text.content exceed max length 2048"}, None
    return {"errcode": 0, "errmsg": "ok"}, content


def _dingtalk(bot: Bot, posted: Posted) -> tuple[object, str | None]:
    query, body = _query(posted), json.loads(posted.body)
    if "secret" in bot.path:
        stamp = query.get("timestamp", "0")
        if abs(time.time() * 1000 - int(stamp)) > 3_600_000 or query.get("sign") != _signed(
            SECRET, f"{stamp}\n{SECRET}"
        ):
            return {"errcode": 310000, "errmsg": "sign not match, more: [url]"}, None
    if query["access_token"] != KEY or "secret" in query:
        return {"errcode": 300001, "errmsg": "token is not exist"}, None
    if len(posted.body) > 20_000:
        return {"errcode": 460101, "errmsg": "message too long"}, None
    return {"errcode": 0, "errmsg": "ok"}, body["text"]["content"]


def _feishu(bot: Bot, posted: Posted) -> tuple[object, str | None]:
    body: Any = json.loads(posted.body)
    if urlsplit(posted.path).query:
        return {"code": 9499, "msg": "Bad Request", "data": {}}, None
    if "secret" in bot.path:
        stamp = body.get("timestamp", "0")
        if abs(time.time() - int(stamp)) > 3600 or body.get("sign") != _signed(
            f"{stamp}\n{SECRET}", ""
        ):
            return {
                "code": 19021,
                "msg": "sign match fail or timestamp is not within one hour",
            }, None
    if len(posted.body) > 20 * 1024:
        return {"code": 9499, "msg": "Bad Request", "data": {}}, None
    return {"StatusCode": 0, "code": 0, "data": {}, "msg": "success"}, body["content"]["text"]


def _slack(_: Bot, posted: Posted) -> tuple[object, str | None]:
    return "ok", json.loads(posted.body)["text"]


KINDS = {
    "wecom": (f"/cgi-bin/webhook/send?key={KEY}", _wecom),
    "dingtalk": (f"/robot/send?access_token={KEY}", _dingtalk),
    "dingtalk signed": (f"/robot/send?access_token={KEY}&secret={SECRET}", _dingtalk),
    "feishu": (f"/open-apis/bot/v2/hook/{KEY}", _feishu),
    "feishu signed": (f"/open-apis/bot/v2/hook/{KEY}?secret={SECRET}", _feishu),
    "slack": ("/services/T0123/B0123/XXXXXXXXXXXX", _slack),
}


@contextmanager
def bot(kind: str = "wecom") -> Iterator[Bot]:
    """Play one bot."""
    path, judge = KINDS[kind]
    with Receiver() as receiver:
        yield Bot(receiver=receiver, path=path, judge=judge)
