"""Reading a body that may be endless, or never end: so many bytes, within so many seconds."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from wechat.callback import Refusal, RefusedError
from wechat.callback.reading import MOST_BYTES

#: WeChat itself gives up after five.
WITHIN_S = 5.0


async def read(request: Request, *, within_s: float = WITHIN_S) -> bytes:
    """Return the body. Raises RefusedError: too long, too slow, or cut off."""
    length = request.headers.get("content-length", "0")
    # The server has parsed the number; one that is too large need not be waited for.
    if len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES:
        raise RefusedError(Refusal.BODY)
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise RefusedError(Refusal.BODY)
    except (TimeoutError, ClientDisconnect):
        refused = RefusedError(Refusal.BODY)
    else:
        return bytes(body)
    raise refused
