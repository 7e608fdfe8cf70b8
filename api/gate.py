"""The gate before the application: an id for each request, a line in the log, a bound on how many.

Whatever fails inside is answered as a problem, and shown to nobody but the log.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.language import chosen
from api.problems import ProblemError
from broadcast import request_ids
from presentation.texts import Language, Texts

log = logging.getLogger(__name__)

#: Requests that are being answered; each JSON body may take some MB.
MOST_AT_ONCE: Final = 100
REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")
_SHOWN: Final = 200
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, *, language: Language, most: int = MOST_AT_ONCE) -> None:
        """Let *most* requests in at once; *language* is that of callers who name none."""
        self._app, self._language = app, language
        self._most, self._inside = most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        request_id = _id_of(request)
        token = request_ids.current.set(request_id)
        answering = _Answering(send, request_id)
        began = time.monotonic()
        self._inside += 1
        try:
            await self._answer(request, receive, answering)
        except Exception:
            log.exception("request %s failed", request_id)
            if not answering.status:
                problem = ProblemError(500, "error.api.failed")
                await problems.response(problem, self._texts(request))(
                    scope, receive, answering.send
                )
        finally:
            self._inside -= 1
            _log(request, answering.status, request_id, took_s=time.monotonic() - began)
            request_ids.current.reset(token)

    def _texts(self, request: Request) -> Texts:
        # The application, which knows it too, may not have seen this request.
        return chosen(request.headers.get("accept-language"), default=self._language)

    async def _answer(self, request: Request, receive: Receive, answering: _Answering) -> None:
        # Whoever looks after this process must be answered in a crowd, too.
        if self._inside > self._most and request.url.path not in {"/healthz", "/readyz"}:
            problem = ProblemError(
                503, "error.api.busy", headers={"Retry-After": "1", "Connection": "close"}
            )
            await problems.response(problem, self._texts(request))(
                request.scope, receive, answering.send
            )
            return
        await self._app(request.scope, receive, answering.send)


class _Answering:
    """What is sent back, with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id = send, request_id
        #: 0: nothing was sent yet.
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()), *_HEADERS,
                (REQUEST_ID.lower().encode(), self._request_id.encode()),
            ]  # fmt: skip
        await self._send(message)


def _id_of(request: Request) -> str:
    """Return the id that the caller gave, where it is one; else a new one."""
    given = request.headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.match(given) else secrets.token_hex(8)


def _log(request: Request, status: int, request_id: str, *, took_s: float) -> None:
    path = request.scope.get("raw_path") or b""
    shown = "".join(sign if sign.isprintable() else "?" for sign in path.decode("latin-1"))
    log.info(
        "%s %s %s %.0f ms key=%s request=%s", request.method[:16], shown[:_SHOWN], status or "-",
        took_s * 1000, getattr(request.state, "key_name", "-"), request_id,
    )  # fmt: skip
