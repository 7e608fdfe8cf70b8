"""The ASGI application: WeChat's endpoints and the admin API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator.admin import admin_routes
from simulator.exchange import Endpoint, exchanged
from simulator.mass import mass_send
from simulator.mass_checks import SEND, SENDALL
from simulator.queries import MASS_GET, QUOTA_GET, mass_get, quota_get
from simulator.token_endpoints import STABLE_TOKEN, TOKEN, classic_token, stable_token
from simulator.world import World

ENDPOINTS = (
    Endpoint(path=TOKEN, handler=classic_token),
    Endpoint(path=STABLE_TOKEN, handler=stable_token),
    Endpoint(path=SEND, handler=mass_send, mass=True),
    Endpoint(path=SENDALL, handler=mass_send, mass=True),
    Endpoint(path=MASS_GET, handler=mass_get),
    Endpoint(path=QUOTA_GET, handler=quota_get),
)
# WeChat answers a wrong method with an errcode, not with 405 (section 9.2, 43001 and 43002).
_ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def application(world: World) -> ASGIApp:
    """Return the application that serves this world."""
    wechat = [Route(one.path, _served(world, one), methods=_ANY_METHOD) for one in ENDPOINTS]
    return _quiet_at_the_end(Starlette(routes=[*wechat, *admin_routes(world)]))


def _served(world: World, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return await exchanged(world, endpoint, request)

    return serve


def _quiet_at_the_end(app: ASGIApp) -> ASGIApp:
    """Let calls that are cut off by the end of the process go without a traceback."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return

    return serve
