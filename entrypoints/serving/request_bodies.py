"""Bodies of requests, which come within their bytes and seconds or not at all."""

from __future__ import annotations

import asyncio

from starlette.requests import Request


class TooLargeError(Exception):
    """A body has more bytes than it may."""


async def read_body(request: Request, *, most: int, within_s: float) -> bytes:
    """Return the body of a request.

    Raises TooLargeError, TimeoutError, and ClientDisconnect where it is cut off.
    """
    length = request.headers.get("content-length", "0")
    # One that is too large need not be waited for.
    if not length.isdigit() or len(length) > len(str(most)) or int(length) > most:
        raise TooLargeError
    body = bytearray()
    async with asyncio.timeout(within_s):
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise TooLargeError
    return bytes(body)
