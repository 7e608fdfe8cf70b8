"""What fails inside the gate: one line where it is no fault of the program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from broadcast.errors import DatabaseAwayError
from entrypoints.http import app
from entrypoints.http.request_gate import Gate


async def _cut(error: Exception) -> AsyncIterator[bytes]:
    yield b"oApi1"
    raise error


@pytest.mark.parametrize("is_away", [True, False])
def test_a_database_that_goes_away_amid_an_answer_is_one_line_and_a_fault_has_its_trace(
    caplog: pytest.LogCaptureFixture, *, is_away: bool
) -> None:
    error = DatabaseAwayError("error.database.away") if is_away else ZeroDivisionError()
    inner = FastAPI()
    inner.state.language = "en"
    inner.add_api_route("/rows", lambda: StreamingResponse(_cut(error)), response_model=None)
    app._refuse_as_problems(inner)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http", "method": "GET", "path": "/rows", "raw_path": b"/rows", "headers": [],
        "query_string": b"", "asgi": {"version": "3.0", "spec_version": "2.3"}, "extensions": {},
    }  # fmt: skip
    with caplog.at_level(logging.WARNING, logger="entrypoints.http.request_gate"):
        asyncio.run(Gate(inner, language="en")(scope, receive, send))

    assert [one["status"] for one in sent if "status" in one] == [200]
    # Whoever reads it does not take it for whole.
    assert all(one.get("more_body", True) for one in sent)
    [line] = caplog.records
    assert (line.exc_info is None, "is cut off" in line.getMessage()) == (is_away, is_away)
