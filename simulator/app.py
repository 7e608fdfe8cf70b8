"""The ASGI application: WeChat's endpoints and the admin API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator.admin import admin_routes
from simulator.core.accounts import Account
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
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
    unknown = Route("/cgi-bin/{path:path}", _unknown(simulation), methods=_ANY_METHOD)
    return _quiet_at_the_end(Starlette(routes=[*wechat, unknown, *admin_routes(simulation)]))


def _served(simulation: Simulation, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return await exchanged(simulation.world, endpoint, request)

    return serve


def _unknown(simulation: Simulation) -> Callable[[Request], Awaitable[Response]]:
    """Answer what WeChat does not have, or this stand-in lacks, as WeChat answers it: 40066."""

    def refuse(_call: Call) -> Account:
        raise RefusalError(40066)

    async def serve(request: Request) -> Response:
        method: Literal["GET", "POST"] = "GET" if request.method == "GET" else "POST"
        nothing = Endpoint(path=request.url.path, method=method, handler=_nothing, auth=refuse)
        return await exchanged(simulation.world, nothing, request)

    return serve


def _nothing(_call: Call) -> Fields:
    return {}


def _quiet_at_the_end(app: ASGIApp) -> ASGIApp:
    """Suppress the traceback of calls that are cut off by the end of the process."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return

    return serve
