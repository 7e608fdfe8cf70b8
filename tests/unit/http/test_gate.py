"""What fails inside the gate: one line where it is no fault of the program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from broadcast.errors import DatabaseAwayError
from entrypoints.http import app
from entrypoints.http.request_gate import Gate


async def _cut(error: Exception) -> AsyncIterator[bytes]:
    yield b"oApi1"
    raise error


def _served(inner: Any, path: str) -> list[Any]:
    """Have the gate serve one request; return what it sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Gate(inner, language="en")(_scope(path), _silent, send))
    return sent


async def _silent() -> Any:
    await asyncio.Event().wait()


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "headers": [],
        "query_string": b"",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "extensions": {},
    }


@pytest.mark.parametrize("is_away", [True, False])
def test_a_database_that_goes_away_amid_an_answer_is_one_line_and_a_fault_has_its_trace(
    caplog: pytest.LogCaptureFixture, *, is_away: bool
) -> None:
    error = DatabaseAwayError("error.database.away") if is_away else ZeroDivisionError()
    inner = FastAPI()
    inner.state.language = "en"
    inner.add_api_route("/rows", lambda: StreamingResponse(_cut(error)), response_model=None)
    app._refuse_as_problems(inner)
    with caplog.at_level(logging.WARNING, logger="entrypoints.http.request_gate"):
        sent = _served(inner, "/rows")

    assert [one["status"] for one in sent if "status" in one] == [200]
    # Whoever reads it does not take it for whole.
    assert all(one.get("more_body", True) for one in sent)
    [line] = caplog.records
    assert (line.exc_info is None, "is cut off" in line.getMessage()) == (is_away, is_away)


@pytest.mark.parametrize(
    ("path", "status", "lines"),
    [
        ("/healthz", 200, 0),
        ("/healthz", 503, 1),
        ("/metrics", 200, 0),
        ("/metrics", 401, 1),
        ("/rows", 200, 1),
    ],
)
def test_a_health_check_or_scrape_that_succeeds_is_no_line_of_the_log(
    caplog: pytest.LogCaptureFixture, path: str, status: int, lines: int
) -> None:
    with caplog.at_level(logging.INFO, logger="entrypoints.http.request_gate"):
        _served(Response(status_code=status), path)

    assert len(caplog.records) == lines


@pytest.mark.parametrize(
    ("kind", "status"), [("text/event-stream", 200), ("application/json", 503)]
)
def test_open_event_stream_takes_no_place_of_a_request(kind: str, status: int) -> None:
    """It stays open for hours."""
    may_end = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"event: first"
        await may_end.wait()

    def short() -> Response:
        return Response()

    made = FastAPI()
    made.get("/open")(lambda: StreamingResponse(pieces(), media_type=kind))
    made.get("/short")(short)
    gate = Gate(made, language="en", most=1)

    async def both() -> int:
        opened = asyncio.Event()

        async def send_open(message: Any) -> None:
            if message.get("body"):
                opened.set()

        first = asyncio.create_task(gate(_scope("/open"), _silent, send_open))
        await opened.wait()
        sent: list[Any] = []

        async def send_short(message: Any) -> None:
            sent.append(message)

        await gate(_scope("/short"), _silent, send_short)
        may_end.set()
        await first
        return int(sent[0]["status"])

    assert asyncio.run(both()) == status
    assert gate.inside == 0
