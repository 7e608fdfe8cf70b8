"""The admin API: order faults, turn switches, change accounts, move the clock, read the truth.

Everything is JSON but lists of OpenIDs, which are text, one a line. A request that makes no
sense gets 400 with the reason in `error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.admin import accounts, conditions, history, ledger
from simulator.admin.request import AdminRequest, View
from simulator.core.world import Simulation

ROUTES = (*conditions.ROUTES, *accounts.ROUTES, *ledger.ROUTES, *history.ROUTES)


def admin_routes(simulation: Simulation) -> list[BaseRoute]:
    """Return the routes under /admin."""
    return [
        Route(f"/admin/{path}", _shown(simulation, view), methods=[verb])
        for verb, path, view in ROUTES
    ]


def _shown(simulation: Simulation, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        try:
            answer = await view(AdminRequest(simulation, request))
        except ValueError as error:
            reason = str(error) or type(error).__name__
            return Response(orjson.dumps({"error": reason}), 400, media_type="application/json")
        if isinstance(answer, Response):
            return answer
        return Response(orjson.dumps(answer), media_type="application/json")

    return show
