"""Accounts: which there are, and the kill switch."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from broadcast.views.json_objects import forbidden
from entrypoints.http import answers, bodies, json_answers, openapi
from entrypoints.http.caller import Caller, Controller, Reader
from entrypoints.http.lookups import account_of, the_account
from entrypoints.http.routes.controls import Control, why
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from producer import steer

router = APIRouter(prefix="/v1", tags=["accounts"])


@router.get(
    "/accounts", response_model=answers.AccountList, operation_id="list_accounts",
    summary="List accounts",
    responses=openapi.answers(401, 403, 422, 503),
)  # fmt: skip
async def listing(caller: Reader) -> Response:
    """Return the accounts that the key is good for."""
    return await json_answers.answer_in_thread(caller, _accounts)


def _accounts(caller: Caller) -> dict[str, Any]:
    lanes, _ = broadcast_reports.lanes(caller.parts.engine)
    return {
        "accounts": [
            {
                "name": one.name, "appid": one.appid, "kind": one.account_kind.value,
                "calls_per_minute": one.calls_per_minute, **forbidden(lanes.get(one.name)),
            }
            for one in caller.accounts().values()
        ]
    }  # fmt: skip


@router.post(
    "/accounts/{name}/halt", response_model=answers.Switched, operation_id="halt",
    summary="Start no new call of an account",
    openapi_extra=openapi.takes("halt", form=Control),
    responses=openapi.of_a_body(),
)  # fmt: skip
async def halt(request: Request, name: str, caller: Controller) -> Response:
    """Start no new call of an account until it is unhalted."""
    control = bodies.read_form(Control, await bodies.read_object(request, optional=True))
    return await json_answers.answer_in_thread(caller, _halted, name, control)


def _halted(caller: Caller, name: str, control: Control) -> dict[str, Any]:
    the_account(caller, name, field="name")
    one = account_of(caller, name)
    changed = operator.halt(
        caller.parts.engine, name, who=caller.who, why=why(control), known=[one] if one else []
    )
    return _switched(caller, name, changed=bool(changed))


@router.post(
    "/accounts/{name}/unhalt", response_model=answers.Switched, operation_id="unhalt",
    summary="Let an account call again",
    openapi_extra=openapi.takes("unhalt", form=Control),
    responses=openapi.of_a_body(),
)  # fmt: skip
async def unhalt(request: Request, name: str, caller: Controller) -> Response:
    """Open an account's halt and its stops; no broadcast's own pause."""
    control = bodies.read_form(Control, await bodies.read_object(request, optional=True))
    return await json_answers.answer_in_thread(caller, _unhalted, name, control)


def _unhalted(caller: Caller, name: str, control: Control) -> dict[str, Any]:
    the_account(caller, name, field="name")
    changed = operator.unhalt(caller.parts.engine, name, who=caller.who, why=why(control))
    steer.wake_lane(caller.parts.engine, caller.parts.waker, name)
    return _switched(caller, name, changed=bool(changed))


def _switched(caller: Caller, name: str, *, changed: bool) -> dict[str, Any]:
    lanes, _ = broadcast_reports.lanes(caller.parts.engine)
    return {"name": name, "changed": changed, **forbidden(lanes.get(name))}
