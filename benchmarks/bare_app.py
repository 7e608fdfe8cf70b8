"""The baseline of the simulator: the least that can take a mass call.

Reads the body, parses it as JSON and answers; no account, no token, no followers, no ledger.
"""

from __future__ import annotations

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def take(request: Request) -> Response:
    """Answer how many OpenIDs the body names."""
    message = orjson.loads(await request.body())
    reply = {"errcode": 0, "errmsg": "ok", "count": len(message["touser"])}
    return Response(orjson.dumps(reply), media_type="application/json")


app = Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])
