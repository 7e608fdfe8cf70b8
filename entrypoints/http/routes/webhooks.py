"""Webhooks: what was delivered, what was not, and what is to be delivered once more."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Query

from broadcast import names
from broadcast.errors import BrokerAwayError, InputError, UnknownIdError
from broadcast.rules.states import WebhookState
from broadcast.views.json_objects import webhook_object
from broadcast.views.objects import Webhook
from entrypoints.http import answers, bodies, lookups
from entrypoints.http.caller import Caller, Controller, Reader
from entrypoints.http.lookups import the_account
from entrypoints.http.openapi import Routes
from entrypoints.http.problems import ProblemError
from models.ledger.boxes import webhooks
from producer.request.shape import LONGEST_ACCOUNT

router = Routes(prefix="/v1", tags=["webhooks"])

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,52}\Z")
_NOT_DELIVERED: Final = (WebhookState.WAITING, WebhookState.GIVEN_UP)


@router.reading(
    "/webhooks",
    answers.WebhookList,
    operation="list_webhooks",
    summary="List webhooks",
)
def listing(
    caller: Reader,
    *,
    account: Annotated[str | None, Query(max_length=LONGEST_ACCOUNT)] = None,
    delivered: bool = False,
    limit: lookups.Limit = 50,
    cursor: lookups.Cursor = None,
) -> dict[str, Any]:
    """Return what is not delivered, the newest first; `delivered` adds what is."""
    before = lookups.number_of(cursor)
    the_account(caller, account, field="account")
    found = webhooks.page(
        caller.engine,
        states=tuple(WebhookState) if delivered else _NOT_DELIVERED,
        accounts=caller.key.accounts if account is None else [account],
        before=before,
        most=limit + 1,
    )
    each = [_webhook_object(caller, one) for _, one in found[:limit]]
    row, last = found[limit - 1] if len(found) > limit else (None, None)
    follows = None if last is None else lookups.cursor_of(last.created_at, str(row))
    return {"webhooks": each, "next": follows}


def _webhook_object(caller: Caller, one: Webhook) -> dict[str, Any]:
    return webhook_object(one, caller.texts, waits=caller.parts.settings.waits())


@router.reading(
    "/webhooks/{webhook_id}",
    answers.Webhook,
    operation="get_webhook",
    summary="Look at a webhook",
)
def show(webhook_id: str, caller: Reader) -> dict[str, Any]:
    """Return what became of an event."""
    return _webhook_object(caller, _theirs(caller, webhook_id))


def _theirs(caller: Caller, webhook_id: str) -> Webhook:
    if _ID.match(webhook_id):
        with suppress(UnknownIdError, InputError):
            one = webhooks.one_webhook(caller.engine, webhook_id)
            # A part of an id is for persons.
            if one.id == webhook_id and caller.key.may_use(one.account):
                return one
    raise ProblemError("error.api.no_webhook")


@router.taking(
    "/webhooks/{webhook_id}/retry",
    answers.Webhook,
    operation="retry_webhook",
    summary="Deliver a webhook again",
)
def retry(caller: Controller, webhook_id: str, _: bodies.Empty) -> dict[str, Any]:
    """Deliver an event from now on, as on its first day; also one that was delivered."""
    one = _theirs(caller, webhook_id)
    webhooks.retry_events(caller.engine, [(one.broadcast_id, one.version)])
    # Where the broker is away, the next sweep has it delivered.
    with suppress(BrokerAwayError):
        caller.parts.waker.wake_for(names.DELIVER_WEBHOOKS)
    return _webhook_object(caller, _theirs(caller, webhook_id))
