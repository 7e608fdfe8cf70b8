"""Answers as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeAlias

import orjson
from starlette.responses import Response

from broadcast.errors import PlanError
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.reports import Report
from broadcast.views import json_objects
from broadcast.views.objects import members, utc
from broadcast.views.program_words import notices, refusal
from entrypoints.http.caller import Caller
from entrypoints.http.problems import KEY
from producer.submit.prepare import Prepared

#: Batches of one broadcast in one answer.
MOST_BATCHES: Final = 1_000


def as_json(
    value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer."""
    return Response(
        orjson.dumps(value),
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
    )


#: What waits for the database, and the route of it.
Work: TypeAlias = Callable[..., Mapping[str, Any] | Response]
Route: TypeAlias = Callable[..., Awaitable[Response]]


def in_thread(work: Work) -> Route:
    """Return *work*, which waits for the database, as a route: what it returns is the answer."""

    @wraps(work)
    async def answer(*, caller: Caller, **facts: object) -> Response:
        made = await caller.threads.run(work, caller=caller, **facts)
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


def plan(caller: Caller, prepared: Prepared) -> dict[str, Any]:
    """Return what would be stored."""
    problem, proof = _problem(prepared), prepared.proof
    estimate, figures, quota = prepared.estimate, prepared.figures, prepared.quota
    return {
        "fits": problem is None,
        "problem": None if problem is None else refusal(problem.message, caller.texts, key=KEY),
        "existing": prepared.existing,
        "account": prepared.body.account.name,
        "audience": members(figures, "read", "malformed", "duplicate", "planned"),
        "left_out": {} if estimate is None else dict(estimate.left_out),
        "recipients": figures.planned if estimate is None else estimate.left,
        "calls": figures.calls,
        "days": None if proof is None else proof.days,
        "quota": quota and members(quota, "daily_limit", "used", "remain"),
        "starts_at": utc(prepared.starts),
        "notices": notices(prepared.notices, caller.texts, key=KEY),
    }


def _problem(prepared: Prepared) -> PlanError | None:
    try:
        if prepared.proof is not None:
            proof_module.check_fits(prepared.proof)
    except PlanError as error:
        return error
    return proof_module.in_vain(prepared.notices)
