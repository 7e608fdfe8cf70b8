"""The gate before the application: an id for each request, a line in the log, a bound on how many.

Whatever fails inside is answered as a problem, and shown to nobody but the log.
"""

from __future__ import annotations

import logging
import re
import secrets
from http import HTTPStatus
from time import monotonic
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broadcast.errors import DatabaseAwayError
from broadcast.logs import request_ids
from broadcast.quoting import visible
from broadcast.views.texts import Language
from entrypoints.http import bodies, caller, problems
from entrypoints.http.problems import ProblemError

log = logging.getLogger(__name__)

#: Requests that are being answered; each JSON body may take some MB.
MOST_AT_ONCE: Final = 100
REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")
#: Escapes of what needs none (letters, digits, ``-._~``), of slashes and of control characters:
#: a server in front may read another path, and forbid that one.
_HIDDEN: Final = re.compile(
    rb"%(?:[01]|7f|2[def]|3\d|[46][1-9a-f]|[57][\da]|5f|7e|(?![\da-f]{2}))", re.IGNORECASE
)
_SHOWN: Final = 200
_EVENT_STREAM: Final = (b"content-type", b"text/event-stream; charset=utf-8")
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, *, language: Language, most: int = MOST_AT_ONCE) -> None:
        """*most*: requests inside at once; *language*: that of callers who name none."""
        self._app, self._language = app, language
        self._most = most
        #: Requests that are being answered.
        self.inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        request_id = _id_of(request)
        token = request_ids.current.set(request_id)
        began = monotonic()
        slot = _RequestSlot(self)
        answering = _Answering(send, request_id, slot)
        try:
            await self._answer(request, answering)
        except Exception as error:
            if answering.status and isinstance(error.__cause__, DatabaseAwayError):
                # The rest of an answer; its reader sees that it was cut off.
                log.warning("an answer is cut off: %s", error.__cause__)
                return
            log.exception("a request failed")
            if not answering.status:
                await self._refuse(request, answering, ProblemError("error.api.failed"))
        finally:
            slot.leave()
            _log(request, answering.status, took_s=monotonic() - began)
            request_ids.current.reset(token)

    async def _answer(self, request: Request, answering: _Answering) -> None:
        # Whoever looks after this process must be answered in a crowd, too.
        if self.inside > self._most and request.scope["path"] not in {"/healthz", "/readyz"}:
            problem = problems.busy()
            problem.headers |= bodies.CLOSE
            await self._refuse(request, answering, problem)
        elif _HIDDEN.search(request.scope["raw_path"]):
            await self._refuse(request, answering, ProblemError("error.api.no_path"))
        else:
            await self._app(request.scope, request.receive, answering.send)

    async def _refuse(self, request: Request, answering: _Answering, problem: ProblemError) -> None:
        # The application has not seen the request, or broke over it.
        texts = caller.language_of(request.headers.get("accept-language"), default=self._language)
        answer = problems.response(problem, texts, request)
        await answer(request.scope, request.receive, answering.send)


class _RequestSlot:
    """One of the requests that are answered at once."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._is_taken = gate, True
        gate.inside += 1

    def leave(self) -> None:
        """Give it to another request."""
        if self._is_taken:
            self._is_taken = False
            self._gate.inside -= 1


class _Answering:
    """The answer under way, with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str, slot: _RequestSlot) -> None:
        self._send, self._request_id, self._slot = send, request_id, slot
        #: 0: nothing was sent yet.
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if _EVENT_STREAM in message.get("headers", ()):
                # It stays open for hours, and its route bounds how many there are.
                self._slot.leave()
            message["headers"] = [
                *message.get("headers", ()),
                *_HEADERS,
                (REQUEST_ID.lower().encode(), self._request_id.encode()),
            ]
        await self._send(message)


def _id_of(request: Request) -> str:
    """Return the id that the caller gave, where it is one; else a new one."""
    given = request.headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.match(given) else secrets.token_hex(8)


def _log(request: Request, status: int, *, took_s: float) -> None:
    # They are asked for each few seconds.
    if status == HTTPStatus.OK and request.scope["path"] in {"/healthz", "/metrics"}:
        return
    path = request.scope.get("raw_path") or b""
    log.info(
        "a request was answered: %s %s with %s in %.0f ms, key=%s",
        request.method[:16],
        visible(path.decode("latin-1"))[:_SHOWN],
        status or "-",
        took_s * 1000,
        getattr(request.state, "key_name", "-"),
    )
