"""Live progress of a broadcast as server-sent events: what changed, as it changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from broadcast.errors import OutOfReachError, UnknownIdError
from broadcast.rules.api_keys import APIKey, Scope
from broadcast.rules.gates import shown_states
from broadcast.rules.gates.shown_states import Cursor, StateChange
from broadcast.rules.states import BroadcastState, Phase
from broadcast.views import json_objects
from entrypoints.http import examples, openapi
from entrypoints.http.caller import Caller, Reader
from entrypoints.http.lookups import the_broadcast
from entrypoints.http.problems import ProblemError
from models.ledger.views.broadcast_reports import Followed

router = APIRouter(prefix="/v1", tags=["broadcasts"])

EVENTS: Final = "text/event-stream"
LAST: Final = "Last-Event-ID"
#: Streams that are open at once, in one process.
MOST: Final = 50
#: Those of one key, so that no key takes all.
MOST_OF_A_KEY: Final = 20
_COME_BACK_S: Final = 10
_LOOK_EVERY_S: Final = 0.5
#: What changes though nothing is written of it, as how late it is, is looked at so often.
_UNCHANGED_S: Final = 5.0
#: A proxy may cut off who is silent.
_SILENT_S: Final = 15.0
_AT_REST: Final = frozenset(
    {
        BroadcastState.COMPLETED,
        BroadcastState.PARTIAL,
        BroadcastState.FAILED,
        BroadcastState.CANCELLED,
    }
)

#: Open streams of each key, by its digest.
_open: Counter[str] = Counter()


@router.get(
    "/broadcasts/{broadcast_id}/events",
    response_class=StreamingResponse,
    operation_id="events",
    summary="Follow a broadcast",
    openapi_extra=openapi.header(LAST, "the id of the event that was read last"),
    responses=openapi.of_a_reading()
    | openapi.events(
        "Events `broadcast`, with the broadcast as a list has it, and `state`: id, state, at",
        EVENTS,
        examples.EVENTS,
    )
    | {204: {"description": "It is at rest, and was read to its end"}},
)
async def follow(request: Request, broadcast_id: str, caller: Reader) -> Response:
    """Send the broadcast whenever it changes, and each state that it came to; end when it rests.

    An event `broadcast` has the broadcast as it stands. An event `state` has one state, in order,
    however short it was; whoever comes back with `Last-Event-ID` gets all that came meanwhile. 204
    says that there is nothing more to come. One that is `held` is not at rest.
    """
    the_one = Followed(caller.engine, broadcast_id)
    account = await caller.threads.run(the_broadcast, caller, broadcast_id)
    last = request.headers.get(LAST, "")
    first = await caller.threads.run(_Snapshot, the_one, after=shown_states.parse_cursor(last))
    if first.ended and first.id == last:
        return Response(status_code=204)
    _refuse_one_more(caller.key)
    events = _events(caller, the_one, first, account=account, last=last)
    return StreamingResponse(events, media_type=EVENTS)


class _Snapshot:
    """State of a broadcast; its id changes whenever anything of it does."""

    def __init__(self, the_one: Followed, *, after: Cursor | None) -> None:
        """*after*: show the states behind this place, or none."""
        seen = the_one.see()
        assert the_one.past is not None
        report, changes_at = seen.report, the_one.past.opens_at()
        data = orjson.dumps(json_objects.in_a_list(report))
        digest = hashlib.sha256(data).hexdigest()[:12]
        self.id = f"{the_one.past.cursor}-{report.version}-{digest}"
        self.states = [
            _event(str(one.cursor), "state", orjson.dumps(_state_object(the_one.id, one)))
            for one in seen.became
            if after is not None and one.cursor > after
        ]
        self.event = _event(self.id, "broadcast", data)
        self.version = report.version
        # A call of one that was cancelled may still be under way.
        self.ended = report.phase is Phase.ENDED and report.state in _AT_REST
        rests_s = _UNCHANGED_S
        if changes_at is not None:
            rests_s = min(rests_s, (changes_at - report.now).total_seconds())
        #: Until when it is the same, unless its version is raised.
        self.good_until = monotonic() + rests_s

    def is_good(self, the_one: Followed) -> bool:
        """Return whether nothing changed since."""
        return monotonic() < self.good_until and the_one.version() == self.version


def _state_object(broadcast_id: str, one: StateChange) -> dict[str, str]:
    at = json_objects.utc(one.at)
    return {"id": broadcast_id, "state": one.state.value, "at": at}


def _event(name: str, kind: str, data: bytes) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (name.encode(), kind.encode(), data)


def _next_snapshot(the_one: Followed, before: _Snapshot) -> _Snapshot | None:
    """Return the next snapshot, *before* where nothing changed; None where it was removed."""
    if before.is_good(the_one):
        before.states = []
        return before
    try:
        # Each state that it came to since the look before.
        return _Snapshot(the_one, after=Cursor())
    except UnknownIdError:
        return None


async def _events(
    caller: Caller, the_one: Followed, look: _Snapshot, *, account: str, last: str
) -> AsyncIterator[bytes]:
    heard_at = monotonic()
    found: _Snapshot | None = look
    with _one_more(caller.key):
        while found is not None and not caller.parts.is_ending():
            if found.states or found.id != last:
                yield b"".join(found.states) + (found.event if found.id != last else b"")
                last, heard_at = found.id, monotonic()
            if found.ended:
                return
            if monotonic() - heard_at > _SILENT_S:
                yield b": nothing new\n\n"
                heard_at = monotonic()
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                if not await _may_read(caller, account):
                    return
                found = await caller.threads.run(_next_snapshot, the_one, found)
            except OutOfReachError:
                # Whoever watches comes back, and is answered 503 until it is there again.
                return


async def _may_read(caller: Caller, account: str) -> bool:
    """Return whether the key, as it is now, may read the broadcast."""
    key = await caller.parts.keys.as_now(caller.key)
    return key is not None and Scope.READ in key.scopes and key.may_use(account)


def _refuse_one_more(key: APIKey) -> None:
    if _open.total() >= MOST or _open[key.digest] >= MOST_OF_A_KEY:
        raise ProblemError(
            "error.api.busy_events",
            most=MOST,
            of_a_key=MOST_OF_A_KEY,
            headers={"Retry-After": str(_COME_BACK_S)},
        )


@contextmanager
def _one_more(key: APIKey) -> Iterator[None]:
    _open[key.digest] += 1
    try:
        yield
    finally:
        _open[key.digest] -= 1
        if not _open[key.digest]:
            del _open[key.digest]
