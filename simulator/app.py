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
from simulator.core.endpoint import Endpoint
from simulator.core.exchange import exchanged
from simulator.core.world import Simulation

# WeChat answers a wrong method with an errcode, not with 405 (section 9.2, 43001 and 43002).
_ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def application(simulation: Simulation) -> ASGIApp:
    """Return the application that serves this simulation."""
    wechat = [
        Route(one.path, _served(simulation, one), methods=_ANY_METHOD)
        for one in simulation.endpoints
    ]
    return _quiet_at_the_end(Starlette(routes=[*wechat, *admin_routes(simulation)]))


def _served(simulation: Simulation, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return await exchanged(simulation.world, endpoint, request)

    return serve


def _quiet_at_the_end(app: ASGIApp) -> ASGIApp:
    """Let calls that are cut off by the end of the process go without a traceback."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return

    return serve
