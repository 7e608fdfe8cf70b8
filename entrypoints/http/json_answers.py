"""Answers as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Final, ParamSpec

import orjson
from starlette.responses import Response

from broadcast.rules.reports import Report
from broadcast.views import json_objects
from entrypoints.http.caller import Caller

P = ParamSpec("P")
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


async def answer_in_thread(
    caller: Caller,
    work: Callable[Concatenate[Caller, P], Mapping[str, Any]],
    *facts: P.args,
    **more: P.kwargs,
) -> Response:
    """Return as the answer what *work* does for a caller, in a thread."""
    return as_json(await caller.parts.threads.run(work, caller, *facts, **more))


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
