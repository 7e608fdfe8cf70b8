"""The admin API: order faults, turn switches, change accounts, move the clock, read the truth.

Everything is JSON but lists of OpenIDs, which are text, one a line. A request that makes no
sense gets 400 with the reason in `error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.admin import accounts, conditions, drafts, history, ledger, pushes, sends
from simulator.admin.page import page
from simulator.admin.request import AdminRequest, View, what_is_wrong
from simulator.core.world import Simulation

ROUTES = (
    *conditions.ROUTES,
    *accounts.ROUTES,
    *drafts.ROUTES,
    *ledger.ROUTES,
    *history.ROUTES,
    *sends.ROUTES,
    *pushes.ROUTES,
)


def admin_routes(simulation: Simulation) -> list[BaseRoute]:
    """Return the routes under /admin, and the page for people."""
    routes = [
        Route(f"/admin/{path}", _shown(simulation, view), methods=[verb])
        for verb, path, view in ROUTES
    ]
    return [Route("/", _shown(simulation, page), methods=["GET"]), *routes]


def _shown(simulation: Simulation, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        try:
            answer = await view(AdminRequest(simulation, request))
        except ValidationError as error:
            return _refusal(what_is_wrong(error))
        except ValueError as error:
            return _refusal(str(error) or type(error).__name__)
        if isinstance(answer, Response):
            return answer
        return Response(orjson.dumps(answer), media_type="application/json")

    return show


def _refusal(reason: str) -> Response:
    return Response(orjson.dumps({"error": reason}), 400, media_type="application/json")
