"""HTTP replies: the JSON of section 0.1, and the ways in which a reply can be spoilt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from simulator.core.endpoint import Answer, Download
from simulator.core.errors import BARE, INVALID_CREDENTIAL, LONG_40001, RefusalError, hint
from simulator.core.world import World

TRANSPORT = "simulator.transport"
GATEWAY_PAGE = (
    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n"
    "<center><h1>{status}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
GARBAGE = b'\x1f\x8b\x08\x00{"errcode":0,"errm\xff\xfe\x00not json at all'


def reply_of(world: World, answer: Answer) -> Response:
    """Return a success; some endpoints have no errcode in it."""
    if isinstance(answer, Download):
        response = Response(answer.content)
        response.headers["content-type"] = answer.content_type
        response.headers["content-disposition"] = f'attachment; filename="{answer.filename}"'
        return response
    fields = answer
    if world.switches.success_errcode and "errcode" not in fields:
        fields = {"errcode": 0, "errmsg": "ok", **fields}
    return json_reply(world, fields)


def refusal_fields(world: World, refusal: RefusalError, *, rid: str) -> dict[str, Any]:
    """Return the fields of a refusal, errmsg with its rid or hint."""
    errmsg = refusal.errmsg
    if refusal.errcode == INVALID_CREDENTIAL and world.switches.long_40001_text:
        errmsg += LONG_40001
    if refusal.errcode not in BARE:
        errmsg += _suffix(world, rid)
    zhmsg = {"zhmsg": "请求失败"} if world.switches.zhmsg else {}
    return {"errcode": refusal.errcode, "errmsg": errmsg, **refusal.fields, **zhmsg}


def json_reply(world: World, fields: dict[str, Any]) -> Response:
    """Return JSON with status 200, whatever it says."""
    content_type = world.switches.content_type
    response = Response(orjson.dumps(fields))
    response.headers["content-type"] = content_type
    return response


def date_now(world: World) -> str:
    """Return the header `Date`: the machine's clock, however far a switch moves it."""
    return formatdate(time.time() + world.switches.date_offset_s, usegmt=True)


def _suffix(world: World, rid: str) -> str:
    form = world.switches.error_suffix
    words = [f"hint: [{hint(world.random)}]"] if form in {"hint", "both"} else []
    words += [f"rid: {rid}"] if form in {"rid", "both"} else []
    return "".join(f" {word}" for word in words)


class Dropped(Response):
    """No reply at all: the connection is closed without a byte; then `then` goes on without it."""

    def __init__(self, then: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Close, and wait until the server has seen that the connection is gone."""
        scope[TRANSPORT].close()
        await _until_disconnected(receive)
        if self._then is not None:
            await self._then()


class Truncated(Response):
    """A reply whose second half never comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and half of the body, then close."""
        half = bytes(self.body)[: len(self.body) // 2]
        await send(self._head())
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope[TRANSPORT].close()
        await _until_disconnected(receive)

    def _head(self) -> Message:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }


class Dripping(Truncated):
    """A reply that comes byte by byte; `finish` is called before the last one leaves."""

    def __init__(self, whole: Response, *, pause_s: float, finish: Callable[[], None]) -> None:
        super().__init__(whole.body, headers=dict(whole.headers))
        self._pause_s = pause_s
        self._finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send one byte after each pause, as long as the client listens."""
        try:
            await send(self._head())
            await self._drip(receive, send)
        finally:
            self._finish()

    async def _drip(self, receive: Receive, send: Send) -> None:
        content = bytes(self.body)
        for at in range(len(content)):
            if await client_left(receive, within_s=self._pause_s):
                return
            last = at == len(content) - 1
            if last:
                self._finish()
            part = content[at : at + 1]
            await send({"type": "http.response.body", "body": part, "more_body": not last})


async def client_left(receive: Receive, *, within_s: float) -> bool:
    """Wait; return at once with True when the client closes the connection meanwhile."""
    try:
        async with asyncio.timeout(within_s):
            await _until_disconnected(receive)
    except TimeoutError:
        return False
    return True


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
