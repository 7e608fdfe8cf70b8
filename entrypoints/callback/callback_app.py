"""The application: one URL an account, one answer to everything that is not WeChat's."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Final

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from broadcast.data_files import rows
from broadcast.errors import OutOfReachError
from broadcast.wechat.callback import Refusal, RefusedError
from broadcast.wechat.callback.push_body import MOST_BYTES, Form
from entrypoints.callback.account import SUCCESS, ServedAccount, Taken
from entrypoints.callback.push_queue import PushQueue, WakerThread
from entrypoints.serving.request_bodies import TooLargeError, read_body
from entrypoints.serving.server import Server, collect_as_a_server_does

log = logging.getLogger(__name__)

PATH = "/wechat/{account}/callback"
_ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TYPES = {Form.XML: "application/xml", Form.JSON: "application/json"}


def application(
    accounts: Mapping[str, ServedAccount], store: PushQueue, waker: WakerThread
) -> Starlette:
    """Return the application that serves these accounts by their names."""
    server = _Server(accounts, store, waker)
    return Starlette(
        routes=[
            Route("/healthz", _healthy, methods=["GET"]),
            Route(PATH, server.safe(server.check_url), methods=["GET"]),
            Route(PATH, server.safe(server.accept), methods=["POST"]),
            # Nobody learns which accounts, methods and paths there are.
            Route("/{path:path}", _refuse_any, methods=_ANY_METHOD),
        ]
    )


class _Server:
    def __init__(
        self, accounts: Mapping[str, ServedAccount], store: PushQueue, waker: WakerThread
    ) -> None:
        self._accounts, self._store, self._waker = accounts, store, waker
        self._refusals = Refusals()

    def safe(
        self, serve: Callable[[ServedAccount, Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return *serve* for one of the accounts.

        What is not WeChat's is refused; a bug of ours is unavailable, and WeChat repeats it.
        """

        async def serve_safely(request: Request) -> Response:
            account = self._accounts.get(request.path_params["account"])
            if account is None:
                return _refused()
            try:
                return await serve(account, request)
            except RefusedError as error:
                self._refusals.note(account.name, error.refusal)
                if error.refusal is Refusal.SIGNATURE and "signature" in request.query_params:
                    self._store.note_refused(account.name)
                return _refused()
            except Exception:
                log.exception("a request failed; WeChat is to repeat it")
                return _unavailable()

        return serve_safely

    async def check_url(self, account: ServedAccount, request: Request) -> Response:
        return PlainTextResponse(account.check_url(request.query_params), headers=_NO_SNIFF)

    async def accept(self, account: ServedAccount, request: Request) -> Response:
        taken = account.accept(request.query_params, await _body(request))
        try:
            await self._store.store(taken.push)
        except OutOfReachError as error:
            log.warning("account %s: not stored, WeChat is to repeat it: %s", account.name, error)
            return _unavailable()
        if taken.push.needs_handling:
            self._waker.wake_soon()
        return _answered(taken)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _refuse_any(_: Request) -> Response:
    return _refused()


_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
#: What is left of a body is not read.
_CLOSE = {"Connection": "close"}


def _refused() -> Response:
    return PlainTextResponse("refused\n", status_code=403, headers=_CLOSE)


def _unavailable() -> Response:
    return PlainTextResponse("try again\n", status_code=503, headers=_CLOSE)


def _answered(taken: Taken) -> Response:
    if taken.answer == SUCCESS:
        return PlainTextResponse(SUCCESS)
    return Response(taken.answer, media_type=_TYPES[taken.form])


#: WeChat itself gives up after five.
WITHIN_S = 5.0


async def _body(request: Request) -> bytes:
    """Return the body. Raises RefusedError: too long, too slow, or cut off."""
    try:
        return await read_body(request, most=MOST_BYTES, within_s=WITHIN_S)
    except (TooLargeError, TimeoutError, ClientDisconnect):
        raise RefusedError(Refusal.BODY) from None


EVERY_S = 60.0
#: What the account's page at WeChat and the settings here do not agree on.
_HINTS: Final = {row["refusal"]: row["hint"] for row in rows(__file__, "refusals.csv")}


class Refusals:
    """Counts refusals by account and cause, and logs them now and then."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._counts: Counter[tuple[str, Refusal]] = Counter()
        self._logged_at: dict[tuple[str, Refusal], float] = {}

    def note(self, account: str, refusal: Refusal) -> None:
        """Count one, and log the count where the last line is old enough."""
        key = (account, refusal)
        self._counts[key] += 1
        moment = monotonic()
        if moment - self._logged_at.get(key, -EVERY_S) < EVERY_S:
            return
        self._logged_at[key] = moment
        log.warning(
            "account %s: %d requests refused: %s", account, self._counts.pop(key), _HINTS[refusal]
        )


READY = "callback ready"
#: The longest answer waits for the database.
_END_WITHIN_S = 10


def serve(
    accounts: Mapping[str, ServedAccount],
    *,
    engine: Engine,
    wake: Callable[[], None],
    listener: socket.socket,
) -> None:
    """Serve until SIGTERM or SIGINT. *wake* has a worker look; it may raise BrokerAwayError."""
    collect_as_a_server_does()
    store, waker = PushQueue(engine), WakerThread(wake)
    try:
        app = application(accounts, store, waker)
        Server(app, ready=READY, end_within_s=_END_WITHIN_S).run(sockets=[listener])
    finally:
        store.close()
        waker.close()
        engine.dispose()
