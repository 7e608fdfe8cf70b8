"""Accounts: which there are, and the kill switch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from broadcast.views.json_objects import forbidden
from broadcast.views.objects import members
from entrypoints.http import answers, bodies, openapi
from entrypoints.http.caller import Caller, Controller, Reader
from entrypoints.http.json_answers import in_thread
from entrypoints.http.lookups import account_of, the_account
from entrypoints.http.openapi import Routes
from entrypoints.http.routes.controls import Control
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from producer import steer

router = Routes(prefix="/v1", tags=["accounts"])

Said = Annotated[Control, Depends(bodies.body_of(Control, optional=True))]


@router.get(
    "/accounts",
    response_model=answers.AccountList,
    operation_id="list_accounts",
    summary="List accounts",
    responses=openapi.answers(401, 403, 422, 503),
)
@in_thread
def listing(caller: Reader) -> dict[str, Any]:
    """Return the accounts that the key is good for."""
    lanes, _ = broadcast_reports.lanes(caller.engine)
    return {
        "accounts": [
            {
                **members(one, "name", "appid"),
                "kind": one.account_kind.value,
                "calls_per_minute": one.calls_per_minute,
                **forbidden(lanes.get(one.name)),
            }
            for one in caller.accounts().values()
        ]
    }


@router.taking(
    "/accounts/{name}/halt",
    answers.Switched,
    operation="halt",
    summary="Start no new call of an account",
    body=openapi.takes("halt", form=Control),
)
def halt(caller: Controller, name: str, control: Said) -> dict[str, Any]:
    """Start no new call of an account until it is unhalted."""
    the_account(caller, name, field="name")
    one = account_of(caller, name)
    changed = operator.halt(
        caller.engine, name, who=caller.who, why=control.why, known=[one] if one else []
    )
    return _switched(caller, name, changed=bool(changed))


@router.taking(
    "/accounts/{name}/unhalt",
    answers.Switched,
    operation="unhalt",
    summary="Let an account call again",
    body=openapi.takes("unhalt", form=Control),
)
def unhalt(caller: Controller, name: str, control: Said) -> dict[str, Any]:
    """Open an account's halt and its stops; no broadcast's own pause."""
    the_account(caller, name, field="name")
    changed = operator.unhalt(caller.engine, name, who=caller.who, why=control.why)
    steer.wake_lane(caller.engine, caller.parts.waker, name)
    return _switched(caller, name, changed=bool(changed))


def _switched(caller: Caller, name: str, *, changed: bool) -> dict[str, Any]:
    lanes, _ = broadcast_reports.lanes(caller.engine)
    return {"name": name, "changed": changed, **forbidden(lanes.get(name))}
