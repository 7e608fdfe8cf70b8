"""The application: one URL an account, one answer to everything that is not WeChat's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from broadcast.errors import OutOfReachError
from callback import body
from callback.account import SUCCESS, ServedAccount, Taken
from callback.refusals import Refusals
from callback.storing import Store
from callback.waker import WakerThread
from wechat.callback import RefusedError
from wechat.callback.reading import Form

log = logging.getLogger(__name__)

PATH = "/wechat/{account}/callback"
_ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TYPES = {Form.XML: "application/xml", Form.JSON: "application/json"}


def application(
    accounts: Mapping[str, ServedAccount], store: Store, waker: WakerThread
) -> Starlette:
    """Return the application that serves these accounts by their names."""
    server = _Server(accounts, store, waker)
    return Starlette(
        routes=[
            Route("/healthz", _healthy, methods=["GET"]),
            Route(PATH, _safe(server.check_url), methods=["GET"]),
            Route(PATH, _safe(server.take), methods=["POST"]),
            # Nobody learns which accounts, methods and paths there are.
            Route("/{path:path}", _refuse_any, methods=_ANY_METHOD),
        ]
    )


class _Server:
    def __init__(
        self, accounts: Mapping[str, ServedAccount], store: Store, waker: WakerThread
    ) -> None:
        self._accounts, self._store, self._waker = accounts, store, waker
        self._refusals = Refusals()

    async def check_url(self, request: Request) -> Response:
        account = self._accounts.get(request.path_params["account"])
        if account is None:
            return _refused()
        try:
            return PlainTextResponse(account.check_url(request.query_params), headers=_NO_SNIFF)
        except RefusedError as error:
            self._refusals.note(account.name, error.refusal)
        return _refused()

    async def take(self, request: Request) -> Response:
        account = self._accounts.get(request.path_params["account"])
        if account is None:
            return _refused()
        try:
            taken = account.take(request.query_params, await body.read(request))
        except RefusedError as error:
            self._refusals.note(account.name, error.refusal)
            return _refused()
        try:
            await self._store.store(taken.push)
        except OutOfReachError as error:
            log.warning("account %s: not stored, WeChat is to repeat it: %s", account.name, error)
            return _again()
        if taken.push.needs_handling:
            self._waker.wake_soon()
        return _answered(taken)


def _safe(
    serve: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Let a bug of ours cost a repeat by WeChat, and show nothing."""

    async def serve_safely(request: Request) -> Response:
        try:
            return await serve(request)
        except Exception:
            log.exception("a request failed; WeChat is to repeat it")
            return _again()

    return serve_safely


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _refuse_any(_: Request) -> Response:
    return _refused()


_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
#: What is left of a body is not read.
_CLOSE = {"Connection": "close"}


def _refused() -> Response:
    return PlainTextResponse("refused\n", status_code=403, headers=_CLOSE)


def _again() -> Response:
    return PlainTextResponse("try again\n", status_code=503, headers=_CLOSE)


def _answered(taken: Taken) -> Response:
    if taken.answer == SUCCESS:
        return PlainTextResponse(SUCCESS)
    return Response(taken.answer, media_type=_TYPES[taken.form])
