"""Broadcasts: submit one, look at one, list them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query, Request
from starlette.responses import Response

from broadcast.errors import ConflictError, InputError
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState
from broadcast.views import json_objects
from broadcast.views.program_words import notices
from entrypoints.http import (
    answers,
    bodies,
    examples,
    json_answers,
    lookups,
    openapi,
    submitting,
    uploading,
)
from entrypoints.http.caller import Caller, Reader, Submitter
from entrypoints.http.lookups import the_account, the_broadcast
from entrypoints.http.openapi import Routes
from entrypoints.http.problems import KEY, ProblemError
from models.ledger.audit import audit_run
from models.ledger.views import broadcast_reports
from producer.request.shape import LONGEST_ACCOUNT
from producer.submit.order import LONGEST_KEY, checked_key, new_key

router = Routes(prefix="/v1", tags=["broadcasts"])

#: Rows that one page with a state looks through: a state is derived, not stored.
_LOOKED_THROUGH: Final = 2_000


@router.taking(
    "/broadcasts",
    answers.Submitted,
    409,
    410,
    operation="submit",
    summary="Submit a broadcast",
    body=openapi.takes("submit", key=True),
    also={200: ("The same key and body were there before", answers.Submitted)},
    status=201,
)
def submit(request: Request, caller: Submitter, value: bodies.Members) -> Response:
    """Store a broadcast; a worker plans it and sends.

    The same `Idempotency-Key` and body give the same broadcast, however often they come; another
    body under the same key is refused with 409.
    """
    key = submitting.key_of(request)
    return _answered(caller, submitting.submit(caller, value, key=key))


@router.put(
    "/broadcasts/{broadcast_id}/audience",
    status_code=201,
    response_model=answers.Submitted,
    operation_id="upload",
    summary="Upload the list of a broadcast",
    openapi_extra=openapi.uploads(examples.LIST, *uploading.TYPES),
    responses=openapi.of_a_body(
        409, also={200: ("The same list was there before", answers.Submitted)}
    ),
)
async def upload(
    request: Request,
    broadcast_id: str,
    caller: Submitter,
    *,
    confirm: lookups.Confirmed = None,
) -> Response:
    """Store the list of a broadcast that was submitted with `{"upload": true}`, and start it.

    The list is streamed, one OpenID a line or CSV with a column `openid`. Nothing is stored before
    its last byte is there; one that was cut off or refused can be sent again.
    """
    return _answered(
        caller, await uploading.store_list(request, caller, broadcast_id, confirm=confirm)
    )


def _answered(caller: Caller, done: submitting.SubmitAnswer) -> Response:
    answer = json_answers.broadcast(done.report) | {
        "notices": notices(done.notices, caller.texts, key=KEY)
    }
    where = {"Location": f"/v1/broadcasts/{done.report.id}"}
    return json_answers.as_json(answer, status=201 if done.created else 200, headers=where)


@router.reading(
    "/broadcasts/{broadcast_id}",
    answers.Broadcast,
    operation="get_broadcast",
    summary="Look at a broadcast",
)
def show(
    broadcast_id: str,
    caller: Reader,
    *,
    batch_after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    batch_limit: Annotated[
        int, Query(ge=0, le=json_answers.MOST_BATCHES)
    ] = json_answers.MOST_BATCHES,
) -> dict[str, Any]:
    """Return where a broadcast stands; its batches come in pages."""
    the_broadcast(caller, broadcast_id)
    report = broadcast_reports.report(caller.engine, broadcast_id)
    return json_answers.broadcast(report, after=batch_after, most=batch_limit)


@router.reading(
    "/broadcasts",
    answers.BroadcastList,
    operation="list_broadcasts",
    summary="List broadcasts",
)
def listing(
    caller: Reader,
    *,
    account: Annotated[str | None, Query(max_length=LONGEST_ACCOUNT)] = None,
    state: Annotated[BroadcastState | None, Query()] = None,
    key: Annotated[str | None, Query(max_length=LONGEST_KEY)] = None,
    limit: lookups.Limit = 50,
    cursor: lookups.Cursor = None,
) -> dict[str, Any]:
    """Return broadcasts, the newest first.

    With `state` a page may have fewer than `limit`, even none: go on while `next` is not null.
    """
    before = lookups.place_of(cursor)
    found, last = _page(
        caller,
        account,
        state,
        key=None if key is None else _checked(key),
        before=before,
        limit=limit,
    )
    each = [json_objects.in_a_list(report) for report in found]
    follows = None if last is None else lookups.cursor_of(last.created_at, last.id)
    return {"broadcasts": each, "next": follows}


def _checked(key: str) -> str:
    """Return a key that is looked for. Raises InputError, which names the parameter."""
    try:
        return checked_key(key)
    except InputError as error:
        raise InputError(error.message_id, **{**error.facts, "field": "key"}) from None


def _page(
    caller: Caller,
    account: str | None,
    state: BroadcastState | None,
    *,
    key: str | None,
    before: lookups.Place | None,
    limit: int,
) -> tuple[list[Report], Report | None]:
    """Return a page, and its last row where more may follow."""
    the_account(caller, account, field="account")
    found: list[Report] = []
    looked_at = 0
    most = limit + 1 if state is None else lookups.MOST
    while True:
        some = broadcast_reports.reports(
            caller.engine,
            account=account,
            accounts=caller.key.accounts,
            key=key,
            before=before,
            most=most,
            awaited_only=True,
        )
        for report in some:
            if len(found) == limit:
                return found, found[-1]
            if state is None or report.state is state:
                found.append(report)
        looked_at += len(some)
        if len(some) < most:
            return found, None
        if looked_at >= _LOOKED_THROUGH:
            return found, some[-1]
        before = (some[-1].created_at, some[-1].id)


@router.get(
    "/broadcasts/{broadcast_id}/audit",
    response_model=answers.Audit,
    operation_id="audit",
    summary="Audit a broadcast",
    responses=openapi.of_a_reading(409),
)
async def ask(broadcast_id: str, caller: Reader) -> Response:
    """Ask the ledger whether the delivery promise holds for a broadcast."""
    return json_answers.as_json(await caller.threads.readers.run(_audit, caller, broadcast_id))


def _audit(caller: Caller, broadcast_id: str) -> dict[str, Any]:
    the_broadcast(caller, broadcast_id)
    parts = caller.parts
    try:
        done = audit_run.audit(parts.engine, broadcast_id, waits=parts.settings.waits())
    except ConflictError:
        raise ProblemError("error.api.uploading") from None
    return {
        "id": broadcast_id,
        **done.figures(),
        "findings": [
            one.as_object(means=caller.texts(f"audit.means.{one.found.check}"))
            for one in done.findings
        ],
    }


@router.taking(
    "/plans",
    answers.Plan,
    409,
    operation="plan",
    summary="Try a broadcast, storing nothing",
    body=openapi.takes("plan", key=False),
)
def dry_run(request: Request, caller: Submitter, value: bodies.Members) -> dict[str, Any]:
    """Check a body as a submit does, and hold it against the account's day.

    With an `Idempotency-Key` it also says what that key would find.
    """
    has_key = KEY in request.headers
    key = submitting.key_of(request) if has_key else new_key()
    return json_answers.plan(caller, submitting.plan(caller, value, key=key))
