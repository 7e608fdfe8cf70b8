"""Live progress of a broadcast as server-sent events: what changed, as it changes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from api import example_answers, openapi
from api.caller import Caller, Reader
from api.forms import known_parameters
from api.found import the_broadcast
from api.problems import ProblemError
from broadcast.errors import OutOfReachError, UnknownIdError
from broadcast.states import BroadcastState
from models.ledger.reading import reports
from presentation import report_json

router = APIRouter(prefix="/v1", tags=["broadcasts"], dependencies=[Depends(known_parameters)])

EVENTS: Final = "text/event-stream"
LAST: Final = "Last-Event-ID"
#: Programs that watch at once, in one process.
MOST: Final = 50
_LOOK_EVERY_S: Final = 0.5
#: A proxy may cut off who is silent.
_SILENT_S: Final = 15.0
_AT_REST: Final = frozenset({
    BroadcastState.COMPLETED, BroadcastState.PARTIAL, BroadcastState.FAILED,
    BroadcastState.CANCELLED,
})  # fmt: skip

_watching = 0


@router.get(
    "/broadcasts/{broadcast_id}/events", response_class=StreamingResponse,
    operation_id="events", summary="Follow a broadcast",
    openapi_extra=openapi.header(LAST, "the id of the event that was read last"),
    responses=openapi.answers(401, 403, 404, 422, 503) | openapi.events(
        "An event whenever the broadcast changes; data is the broadcast as a list has it", EVENTS,
        example_answers.EVENTS,
    )
    | {204: {"description": "It is at rest, and was read to its end"}},
)  # fmt: skip
async def follow(request: Request, broadcast_id: str, caller: Reader) -> Response:
    """Send an event whenever the broadcast changes, and end when it is at rest.

    The data is the broadcast as it stands, so whoever comes back with `Last-Event-ID` misses
    nothing of where it stands; 204 says that there is nothing more to come.
    """
    first = await caller.parts.threads.run(_look, caller, broadcast_id)
    last = request.headers.get(LAST, "")
    if first.ended and first.id == last:
        return Response(status_code=204)
    if _watching >= MOST:
        raise ProblemError(503, "error.api.busy", headers={"Retry-After": "10"})
    return StreamingResponse(_events(caller, broadcast_id, last=last), media_type=EVENTS)


class _Look:
    """A broadcast as it stands; its id changes whenever anything of it does."""

    def __init__(self, data: bytes, *, version: int, ended: bool) -> None:
        self.id = f"{version}-{hashlib.sha256(data).hexdigest()[:12]}"
        self.event = b"id: %s\nevent: broadcast\ndata: %s\n\n" % (self.id.encode(), data)
        self.ended = ended


def _look(caller: Caller, broadcast_id: str) -> _Look:
    the_broadcast(caller, broadcast_id)
    report = reports.report(caller.parts.engine, broadcast_id, whole=False)
    data = orjson.dumps(report_json.in_a_list(report))
    return _Look(data, version=report.version, ended=report.state in _AT_REST)


def _look_again(caller: Caller, broadcast_id: str) -> _Look | None:
    """Return how it stands; None where the broadcast was removed."""
    try:
        return _look(caller, broadcast_id)
    except (ProblemError, UnknownIdError):
        return None


async def _events(caller: Caller, broadcast_id: str, *, last: str) -> AsyncIterator[bytes]:
    heard_at = time.monotonic()
    with _one_more():
        while not caller.parts.is_ending():
            try:
                if await caller.parts.keys.as_now(caller.key) is None:
                    return
                found = await caller.parts.threads.run(_look_again, caller, broadcast_id)
            except OutOfReachError:
                # Whoever watches comes back, and is answered 503 until it is there again.
                return
            if found is None:
                return
            if found.id != last:
                yield found.event
                last, heard_at = found.id, time.monotonic()
            if found.ended:
                return
            if time.monotonic() - heard_at > _SILENT_S:
                yield b": nothing new\n\n"
                heard_at = time.monotonic()
            await asyncio.sleep(_LOOK_EVERY_S)


@contextlib.contextmanager
def _one_more() -> Iterator[None]:
    global _watching  # noqa: PLW0603 - of this process
    _watching += 1
    try:
        yield
    finally:
        _watching -= 1
