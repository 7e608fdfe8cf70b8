"""The baseline of the callback server: an app that only inserts the row.

Reads the body, writes it down in one transaction of one thread of a few, answers. No signature, no
account, nothing is read of the body. Usage: python -m benchmarks.bare_callback DATABASE_URL PORT
"""

from __future__ import annotations

import socket
import sys
import uuid

import uvicorn
from sqlalchemy import insert
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from models.box_tables import PushRow
from models.engine import database_now, open_engine

_INSERT = insert(PushRow).values(
    account="bare", kind="event", received_at=database_now(), happened_at=database_now(), tries=0
)


def main(url: str, port: str) -> None:
    """Serve until SIGTERM."""
    engine = open_engine(url)

    def store(body: str) -> None:
        with engine.begin() as connection:
            connection.execute(_INSERT, {"dedup": uuid.uuid4().hex, "body": body})

    async def take(request: Request) -> Response:
        await run_in_threadpool(store, (await request.body()).decode())
        return PlainTextResponse("success")

    app = Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", access_log=False)
    # Without it head and body of an answer are 40 ms apart; the other server does the same.
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
