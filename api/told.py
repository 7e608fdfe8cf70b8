"""Answers as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from broadcast.reports import Report
from presentation import report_json

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


def broadcast(report: Report, *, after: int = 0, most: int = MOST_BATCHES) -> dict[str, Any]:
    """Return a broadcast with a page of its batches: those behind number *after*."""
    told = report_json.as_json(report)
    rest = [line for line in told["batch_list"] if line["n"] > after]
    shown = rest[:most]
    return {
        **told,
        "batch_list": shown,
        "batch_next": shown[-1]["n"] if len(rest) > len(shown) else None,
    }
