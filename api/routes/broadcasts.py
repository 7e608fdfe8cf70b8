"""Broadcasts: submit one, look at one, list them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import answers, bodies, cursors, examples, openapi, submitting, told, uploading
from api.caller import Caller, Reader, Submitter
from api.found import the_account, the_broadcast
from api.problems import KEY, ProblemError
from broadcast.errors import ConflictError, InputError
from broadcast.reports import Report
from broadcast.states import BroadcastState
from models.ledger import audit
from models.ledger.reading import reports
from presentation import report_json
from presentation.for_programs import notices
from presentation.report_json import utc
from producer.order import LONGEST_KEY, checked_key
from producer.request.shape import LONGEST_ACCOUNT

router = APIRouter(prefix="/v1", tags=["broadcasts"])

#: Rows that one page with a state looks through: a state is derived, not stored.
_LOOKED_THROUGH: Final = 2_000


@router.post(
    "/broadcasts", status_code=201, response_model=answers.Submitted,
    operation_id="submit",
    summary="Submit a broadcast",
    openapi_extra=openapi.takes(examples.SUBMIT, key=True),
    responses=openapi.of_a_body(
        409, 410, also={200: ("The same key and body were there before", answers.Submitted)}
    ),
)  # fmt: skip
async def submit(request: Request, caller: Submitter) -> Response:
    """Store a broadcast; a worker plans it and sends.

    The same `Idempotency-Key` and body give the same broadcast, however often they come; another
    body under the same key is refused with 409.
    """
    key = submitting.key_of(request)
    value = await bodies.read_object(request)
    done = await caller.parts.threads.run(submitting.submit, caller, value, key=key)
    return _answered(caller, done)


@router.put(
    "/broadcasts/{broadcast_id}/audience", status_code=201, response_model=answers.Submitted,
    operation_id="upload", summary="Upload the list of a broadcast",
    openapi_extra=openapi.uploads(examples.LIST, *uploading.TYPES),
    responses=openapi.of_a_body(
        409, also={200: ("The same list was there before", answers.Submitted)}
    ),
)  # fmt: skip
async def upload(request: Request, broadcast_id: str, caller: Submitter) -> Response:
    """Store the list of a broadcast that was submitted with `{"upload": true}`, and start it.

    The list is streamed, one OpenID a line or CSV with a column `openid`. Nothing is stored before
    its last byte is there; one that was cut off or refused can be sent again.
    """
    return _answered(caller, await uploading.take(request, caller, broadcast_id))


def _answered(caller: Caller, done: submitting.Told) -> Response:
    answer = told.broadcast(done.report) | {"notices": notices(done.notices, caller.texts, key=KEY)}
    where = {"Location": f"/v1/broadcasts/{done.report.id}"}
    return told.as_json(answer, status=201 if done.created else 200, headers=where)


@router.get(
    "/broadcasts/{broadcast_id}", response_model=answers.Broadcast, operation_id="get_broadcast",
    summary="Look at a broadcast",
    responses=openapi.of_a_look(),
)  # fmt: skip
async def show(
    broadcast_id: str,
    caller: Reader,
    *,
    batch_after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    batch_limit: Annotated[int, Query(ge=0, le=told.MOST_BATCHES)] = told.MOST_BATCHES,
) -> Response:
    """Return where a broadcast stands; its batches come in pages."""
    report = await caller.parts.threads.run(_report, caller, broadcast_id)
    return told.as_json(told.broadcast(report, after=batch_after, most=batch_limit))


def _report(caller: Caller, broadcast_id: str) -> Report:
    the_broadcast(caller, broadcast_id)
    return reports.report(caller.parts.engine, broadcast_id)


@router.get(
    "/broadcasts", response_model=answers.BroadcastList, operation_id="list_broadcasts",
    summary="List broadcasts",
    responses=openapi.of_a_look(),
)  # fmt: skip
async def listing(
    caller: Reader,
    *,
    account: Annotated[str | None, Query(max_length=LONGEST_ACCOUNT)] = None,
    state: Annotated[BroadcastState | None, Query()] = None,
    key: Annotated[str | None, Query(max_length=LONGEST_KEY)] = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> Response:
    """Return broadcasts, the newest first.

    With `state` a page may have fewer than `limit`, even none: go on while `next` is not null.
    """
    before = cursors.place(cursor)
    found, last = await caller.parts.threads.run(
        _found, caller, account, state, key=None if key is None else _checked(key), before=before,
        limit=limit,
    )  # fmt: skip
    each = [report_json.in_a_list(report) for report in found]
    follows = None if last is None else cursors.of(last.created_at, last.id)
    return told.as_json({"broadcasts": each, "next": follows})


def _checked(key: str) -> str:
    """Return a key that is looked for. Raises InputError, which names the parameter."""
    try:
        return checked_key(key)
    except InputError as error:
        refused = InputError(error.message_id, **{**error.facts, "field": "key"})
    raise refused


def _found(
    caller: Caller,
    account: str | None,
    state: BroadcastState | None,
    *,
    key: str | None,
    before: cursors.Place | None,
    limit: int,
) -> tuple[list[Report], Report | None]:
    """Return a page, and its last row where more may follow."""
    if account is not None:
        the_account(caller, account, field="account")
    found: list[Report] = []
    looked_at = 0
    most = limit + 1 if state is None else cursors.MOST
    while True:
        some = reports.reports(
            caller.parts.engine, account=account, accounts=caller.key.accounts, key=key,
            before=before, most=most, awaited_only=True,
        )  # fmt: skip
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
    "/broadcasts/{broadcast_id}/audit", response_model=answers.Audit, operation_id="audit",
    summary="Audit a broadcast",
    responses=openapi.of_a_look(409),
)  # fmt: skip
async def ask(broadcast_id: str, caller: Reader) -> Response:
    """Ask the ledger whether the delivery promise holds for a broadcast."""
    return told.as_json(await caller.parts.threads.readers.run(_audit, caller, broadcast_id))


def _audit(caller: Caller, broadcast_id: str) -> dict[str, Any]:
    the_broadcast(caller, broadcast_id)
    parts = caller.parts
    try:
        done = audit.audit(parts.engine, broadcast_id, waits=parts.settings.rules().waits)
    except ConflictError:
        raise ProblemError(409, "error.api.uploading") from None
    return {
        "id": broadcast_id,
        **done.figures(),
        "findings": [
            {
                "check": one.found.check.value, "code": one.found.value, "account": one.account,
                "broadcast": one.broadcast_id or None, "batch": one.n,
                "means": caller.texts(f"audit.means.{one.found.check}"),
                "facts": {
                    name: utc(fact, timespec="microseconds") if isinstance(fact, datetime) else fact
                    for name, fact in one.facts.items()
                },
            }
            for one in done.findings
        ],
    }  # fmt: skip
