"""Dry runs: what a submit would do now."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import answers, bodies, examples, openapi, submitting, told
from api.caller import Caller, Submitter
from api.problems import KEY
from broadcast import plan
from broadcast.errors import PlanError
from presentation.for_programs import notices, refusal
from presentation.report_json import utc
from producer.order import new_key
from producer.prepare import Prepared

router = APIRouter(prefix="/v1", tags=["broadcasts"])


@router.post(
    "/plans", response_model=answers.Plan, operation_id="plan",
    summary="Try a broadcast, storing nothing",
    openapi_extra=openapi.takes(examples.PLAN, key=False),
    responses=openapi.of_a_body(409),
)  # fmt: skip
async def dry_run(request: Request, caller: Submitter) -> Response:
    """Check a body as a submit does, and hold it against the account's day.

    With an `Idempotency-Key` it also says what that key would find.
    """
    has_key = KEY in request.headers
    key = submitting.key_of(request) if has_key else new_key()
    value = await bodies.read_object(request)
    return await told.of(caller, _planned, value, key=key)


def _planned(caller: Caller, value: dict[str, Any], *, key: str) -> dict[str, Any]:
    prepared = submitting.plan(caller, value, key=key)
    problem, proof = _problem(prepared), prepared.proof
    estimate, figures, quota = prepared.estimate, prepared.figures, prepared.quota
    return {
        "fits": problem is None,
        "problem": None if problem is None else refusal(problem.message, caller.texts, key=KEY),
        "existing": prepared.existing,
        "account": prepared.body.account.name,
        "audience": {
            "read": figures.read, "malformed": figures.malformed, "duplicate": figures.duplicate,
            "planned": figures.planned,
        },
        "left_out": {} if estimate is None else dict(estimate.left_out),
        "recipients": figures.planned if estimate is None else estimate.left,
        "calls": figures.calls,
        "days": None if proof is None else proof.days,
        "quota": None if quota is None else {
            "daily_limit": quota.daily_limit, "used": quota.used, "remain": quota.remain,
        },
        "starts_at": utc(prepared.starts),
        "notices": notices(prepared.notices, caller.texts, key=KEY),
    }  # fmt: skip


def _problem(prepared: Prepared) -> PlanError | None:
    if prepared.proof is None:
        return None
    try:
        plan.refuse_what_does_not_fit(prepared.proof)
    except PlanError as error:
        return error
    return None
