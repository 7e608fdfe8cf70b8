"""Bodies that do not come to their end."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from entrypoints.http import bodies
from entrypoints.http.problems import ProblemError


def test_a_body_that_drips_is_waited_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each byte that comes does not begin the wait anew."""
    monkeypatch.setattr(bodies, "WITHIN_S", 0.5)
    dripped = 0

    async def receive() -> Message:
        nonlocal dripped
        await asyncio.sleep(0.01)
        dripped += 1
        return {"type": "http.request", "body": b" ", "more_body": True}

    request = Request(
        {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]},
        receive,
    )
    with pytest.raises(ProblemError) as refused:
        asyncio.run(bodies.read_object(request))

    assert (refused.value.status, refused.value.headers) == (408, {"Connection": "close"})
    assert dripped > 1
