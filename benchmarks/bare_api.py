"""The baseline of the HTTP API: an app of the same framework that only inserts the rows.

Usage: python -m benchmarks.bare_api DATABASE_URL PORT
"""

from __future__ import annotations

import secrets
import sys
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header
from pydantic import BaseModel
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, Text, insert

from models.engine import open_engine

META = MetaData()
BROADCASTS = Table(
    "bare_broadcasts",
    META,
    Column("id", String(32), primary_key=True),
    Column("key", String(128), unique=True),
    Column("content", Text),
)
CHUNKS = Table(
    "bare_chunks",
    META,
    Column("n", Integer, primary_key=True),
    Column("broadcast_id", String(32)),
    Column("openids", LargeBinary(2**24)),
)
EVENTS = Table(
    "bare_events",
    META,
    Column("n", Integer, primary_key=True),
    Column("broadcast_id", String(32)),
    Column("detail", Text),
)


class Audience(BaseModel):
    """A list."""

    openids: list[str]


class Body(BaseModel):
    """What is asked for."""

    content: dict[str, Any]
    audience: Audience


def main() -> None:
    """Serve until it is killed."""
    url, port = sys.argv[1:]
    engine = open_engine(url)
    META.create_all(engine)
    app = FastAPI(telemetry={"tracing": False})

    @app.post("/v1/broadcasts", status_code=201)
    def submit(body: Body, idempotency_key: Annotated[str, Header()]) -> dict[str, str]:
        """Insert a broadcast, its list and a line of history."""
        made = secrets.token_hex(16)
        with engine.begin() as connection:
            connection.execute(
                insert(BROADCASTS).values(id=made, key=idempotency_key, content=str(body.content))
            )
            packed = "".join(sorted(set(body.audience.openids))).encode()
            connection.execute(insert(CHUNKS).values(broadcast_id=made, openids=packed))
            connection.execute(insert(EVENTS).values(broadcast_id=made, detail="submitted"))
        return {"id": made}

    uvicorn.run(app, port=int(port), log_level="error")


if __name__ == "__main__":
    main()
