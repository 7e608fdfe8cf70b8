"""Answers as JSON."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from broadcast.rules.reports import Report
from broadcast.views import json_objects
from entrypoints.http.caller import Caller

#: Batches of one broadcast in one answer.
MOST_BATCHES: Final = 1_000


def as_json(
    value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer."""
    return Response(
        orjson.dumps(value), status_code=status, media_type="application/json",
        headers=dict(headers or {}),
    )  # fmt: skip


def in_thread(
    work: Callable[..., Mapping[str, Any] | Response],
) -> Callable[..., Awaitable[Response]]:
    """Return *work*, which waits for the database, as a route: what it returns is the answer."""

    @functools.wraps(work)
    async def answer(*, caller: Caller, **facts: object) -> Response:
        made = await caller.parts.threads.run(work, caller=caller, **facts)
        return made if isinstance(made, Response) else as_json(made)

    return answer


def broadcast(report: Report, *, after: int = 0, most: int = MOST_BATCHES) -> dict[str, Any]:
    """Return a broadcast with a page of its batches: those behind number *after*."""
    as_shown = json_objects.as_json(report)
    rest = [line for line in as_shown["batch_list"] if line["n"] > after]
    shown = rest[:most]
    return {
        **as_shown,
        "batch_list": shown,
        "batch_next": shown[-1]["n"] if len(rest) > len(shown) else None,
    }
