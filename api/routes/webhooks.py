"""Webhooks: what was delivered, what was not, and what is to be delivered once more."""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api import answers, bodies, examples, forms, openapi, told
from api.caller import Caller, Controller, Reader
from api.forms import Nothing, known_parameters
from api.problems import ProblemError
from broadcast.errors import BrokerAwayError, InputError, UnknownIdError
from broadcast.webhooks.event import Webhook, WebhookState
from models.ledger import webhooks as ledger
from models.ledger.reading import webhooks as reading
from presentation.webhooks_json import as_object

router = APIRouter(prefix="/v1", tags=["webhooks"], dependencies=[Depends(known_parameters)])

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,52}\Z")
_NOT_DELIVERED: Final = (WebhookState.WAITING, WebhookState.GIVEN_UP)


@router.get(
    "/webhooks", response_model=answers.WebhookList, operation_id="list_webhooks",
    summary="List webhooks",
    responses=openapi.answers(401, 403, 422, 503),
)  # fmt: skip
async def listing(
    caller: Reader,
    delivered: bool = False,  # noqa: FBT001, FBT002 - a parameter of the query
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Return what is not delivered, the newest first; `delivered` adds what is."""
    states = tuple(WebhookState) if delivered else _NOT_DELIVERED
    some = await caller.parts.threads.run(
        reading.newest, caller.parts.engine, states=states, most=limit + 1,
        accounts=caller.key.accounts,
    )  # fmt: skip
    each = [_told(caller, one) for one in some[:limit]]
    return told.as_json({"webhooks": each, "more": len(some) > limit})


def _told(caller: Caller, one: Webhook) -> dict[str, Any]:
    return as_object(one, caller.texts, waits=caller.parts.settings.rules().waits)


@router.get(
    "/webhooks/{webhook_id}", response_model=answers.Webhook, operation_id="get_webhook",
    summary="Look at a webhook",
    responses=openapi.answers(401, 403, 404, 422, 503),
)  # fmt: skip
async def show(webhook_id: str, caller: Reader) -> Response:
    """Return what became of an event."""
    return told.as_json(_told(caller, await caller.parts.threads.run(_theirs, caller, webhook_id)))


def _theirs(caller: Caller, webhook_id: str) -> Webhook:
    if _ID.match(webhook_id):
        with contextlib.suppress(UnknownIdError, InputError):
            one = reading.one(caller.parts.engine, webhook_id)
            # A part of an id is for persons.
            if one.id == webhook_id and caller.key.may_use(one.account):
                return one
    raise ProblemError(404, "error.api.no_webhook")


@router.post(
    "/webhooks/{webhook_id}/retry", response_model=answers.Webhook, operation_id="retry_webhook",
    summary="Deliver a webhook again",
    openapi_extra=openapi.takes(examples.NOTHING, form=Nothing),
    responses=openapi.answers(400, 401, 403, 404, 408, 413, 415, 422, 503),
)  # fmt: skip
async def retry(request: Request, webhook_id: str, caller: Controller) -> Response:
    """Have an event delivered from now on, as on its first day; also one that was delivered."""
    forms.read(Nothing, await bodies.read_object(request, optional=True))
    return told.as_json(_told(caller, await caller.parts.threads.run(_again, caller, webhook_id)))


def _again(caller: Caller, webhook_id: str) -> Webhook:
    one = _theirs(caller, webhook_id)
    ledger.again(caller.parts.engine, [(one.broadcast_id, one.version)])
    # Where the broker is away, the next sweep has it delivered.
    with contextlib.suppress(BrokerAwayError):
        caller.parts.waker.wake_for_webhooks()
    return _theirs(caller, webhook_id)
