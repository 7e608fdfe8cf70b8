"""Taking a long list: streamed to a file, read to its end, and stored only then.

The file has no name, so it goes with the request and with the process, however that ends. Whoever
uploads keeps a pace, or is cut off; the process holds a piece at a time, however long the list is.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO, Final

from starlette.requests import ClientDisconnect, Request

from api import bodies, problems
from api.caller import Caller
from api.found import the_broadcast
from api.places import SLOW, Place, Places
from api.problems import ProblemError
from api.submitting import Told, door
from api.threads import Pool
from broadcast.errors import (
    AudienceError,
    ConflictError,
    DatabaseAwayError,
    InputError,
    PlanError,
)
from broadcast.message import Message
from broadcast.plan.submission import BeingStoredError, TakenOverError
from models.ledger import awaited_lists
from models.ledger.awaited_lists import Awaited
from models.ledger.reading import reports
from producer.audience.runs import room_needed
from producer.audience.source import is_packed
from producer.submit import Submitted
from serving.protocol import PATIENT

TYPES: Final = ("text/plain", "text/csv", "application/octet-stream")
#: Thirty million OpenIDs.
MOST_BYTES: Final = 1_000_000_000
#: Lists that are taken at once: each may fill so much of the disk.
MOST_AT_ONCE: Final = 8
#: Those of one key, so that no key takes all.
MOST_OF_A_KEY: Final = MOST_AT_ONCE - 1
#: Each piece comes within so many seconds.
PIECE_WITHIN_S: Final = 30.0
_AT_ONCE: Final = 1_000_000
#: How long a request waits for the end of an earlier one: longer than that takes to be dead, and
#: shorter than the usual minute of clients and proxies.
_OTHER_ENDS_WITHIN_S: Final = awaited_lists.SILENT_FOR.total_seconds() + 15
_LOOK_EVERY_S: Final = 0.2
_SERVERS_TROUBLE: Final = 500
_COME_BACK_S: Final = 10
#: A list that comes slowly is awaited for as long as it does.
_EXPECT_EVERY_S: Final = 60.0

_places = Places(MOST_AT_ONCE, most_of_one=MOST_OF_A_KEY)


async def take(request: Request, caller: Caller, broadcast_id: str) -> Told:
    """Store the list that a broadcast waits for. Raises ProblemError and what the door raises."""
    bodies.require_type(request, *TYPES)
    awaited = await caller.parts.threads.run(_awaited, caller, broadcast_id)
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length[:12]) > MOST_BYTES:
        raise bodies.too_large(MOST_BYTES)
    with _place(caller) as place, _nameless() as file:
        # However many others wait: this one is looked after here.
        request.scope["extensions"][PATIENT]["call"]()
        with room_needed():
            pieces = _expected(_pieces(request, place), caller, broadcast_id)
            await _received(pieces, caller.parts.threads.files, file, place=place)
        await caller.parts.threads.files.run(_refuse_packed, file)
        made = await _submitted(caller, awaited, file)
    report = await caller.parts.threads.run(reports.report, caller.parts.engine, made.id)
    return Told(report=report, created=made.created, notices=made.notices)


@contextlib.contextmanager
def _place(caller: Caller) -> Iterator[Place]:
    with _places.one(caller.key.digest) as place:
        if place is None:
            raise ProblemError(
                503, "error.api.busy_uploads", most=MOST_AT_ONCE, of_a_key=MOST_OF_A_KEY,
                headers={"Retry-After": str(_COME_BACK_S), **bodies.CLOSE},
            )  # fmt: skip
        yield place


@contextlib.contextmanager
def _nameless() -> Iterator[BinaryIO]:
    """Give a file for one list. Raises AudienceError where the disk has no room for it."""
    with room_needed():
        # Unbuffered, so that nothing is left to write when it is closed on a full disk.
        made = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    with made as file:
        yield file


def _awaited(caller: Caller, broadcast_id: str) -> Awaited:
    the_broadcast(caller, broadcast_id)
    awaited = awaited_lists.of(caller.parts.engine, broadcast_id)
    if awaited is None:
        raise ProblemError(409, "error.api.no_upload", field="audience", headers=bodies.CLOSE)
    if awaited.is_cancelled:
        raise ProblemError(
            409, "error.submit.list_cancelled", id=broadcast_id, field="audience",
            headers=bodies.CLOSE,
        )  # fmt: skip
    return awaited


async def _received(
    pieces: AsyncIterator[bytes], threads: Pool, file: BinaryIO, *, place: Place
) -> None:
    """Write the body to *file*, some at a time, beside the event loop."""
    kept = bytearray()
    async for piece in pieces:
        kept += piece
        place.took(len(piece), time.monotonic())
        if place.received > MOST_BYTES:
            raise bodies.too_large(MOST_BYTES)
        if place.is_too_slow(time.monotonic()):
            raise slow()
        if len(kept) >= _AT_ONCE:
            await threads.run(_write, file, bytes(kept))
            kept.clear()
    place.has_all()
    await threads.run(_write, file, bytes(kept))


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


async def _expected(
    pieces: AsyncIterator[bytes], caller: Caller, broadcast_id: str
) -> AsyncIterator[bytes]:
    """Yield *pieces*; the broadcast awaits them for as long as they come.

    Raises ProblemError where it was cancelled meanwhile: a place is not kept to the last byte.
    """
    last = time.monotonic()
    async for piece in pieces:
        if time.monotonic() > last + _EXPECT_EVERY_S:
            last = time.monotonic()
            # With the database away for now the list comes all the same.
            with contextlib.suppress(DatabaseAwayError):
                await caller.parts.threads.lists.run(_expect, caller, broadcast_id)
        yield piece


def _expect(caller: Caller, broadcast_id: str) -> None:
    awaited_lists.expect(caller.parts.engine, broadcast_id)
    _awaited(caller, broadcast_id)


async def _pieces(request: Request, place: Place) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with place.patience(PIECE_WITHIN_S):
                piece = await anext(stream, None)
        except TimeoutError:
            problem = slow()
        except ClientDisconnect:
            problem = ProblemError(400, "error.api.cut_off", headers=bodies.CLOSE)
        else:
            if piece is None:
                return
            yield piece
            continue
        raise problem


@contextlib.contextmanager
def _from_start(file: BinaryIO) -> Iterator[BinaryIO]:
    """Give what was received, to read, even if its request ends meanwhile."""
    with os.fdopen(os.dup(file.fileno()), "rb", buffering=0) as source:
        source.seek(0)
        yield source


def _refuse_packed(file: BinaryIO) -> None:
    """Raise ProblemError for what could unpack to any size, whatever type its sender names."""
    with _from_start(file) as source:
        if is_packed(source.read(8)):
            raise bodies.wrong_type("gzip, zip", *TYPES[:2])


def slow() -> ProblemError:
    """Return the refusal of a list that comes too slowly."""
    return ProblemError(
        408, "error.api.slow_upload", seconds=PIECE_WITHIN_S, slow=SLOW // 1000,
        headers=bodies.CLOSE,
    )  # fmt: skip


async def _submitted(caller: Caller, awaited: Awaited, file: BinaryIO) -> Submitted:
    """Submit the list; while an earlier request stores it, wait for that one's end or death."""
    until = time.monotonic() + _OTHER_ENDS_WITHIN_S
    while True:
        try:
            return await caller.parts.threads.lists.run(_submit, caller, awaited, file)
        except TakenOverError:
            # It stood still for so long that a later one took over; or its time is up.
            await caller.parts.threads.run(the_broadcast, caller, awaited.broadcast_id)
        except BeingStoredError as there:
            if there.is_other:
                raise _being_stored("error.api.other_being_stored") from None
        except InputError as error:
            raise _refused(error, awaited.broadcast_id) from None
        await _other_ends(caller, awaited, until)


def _refused(error: InputError, broadcast_id: str) -> ProblemError:
    """Return a refusal with what really works: the request was sent before and cannot be changed.

    Its list still can.
    """
    problem = problems.of(error)
    if problem.status < _SERVERS_TROUBLE and not isinstance(error, ConflictError):
        match error:
            case AudienceError():
                name = "api.fix.awaited_list"
            case PlanError():
                name = "api.fix.awaited_plan"
            case _:
                name = "api.fix.awaited_request"
        problem.fix = Message(name, id=broadcast_id)
    return problem


def _submit(caller: Caller, awaited: Awaited, file: BinaryIO) -> Submitted:
    with _from_start(file) as source:
        return door(caller).submit_list(awaited, source, who=caller.who)


async def _other_ends(caller: Caller, awaited: Awaited, until: float) -> None:
    """Wait until no request stores the list. Raises ProblemError where one does for long."""
    look = functools.partial(
        awaited_lists.is_being_stored, caller.parts.engine, awaited.broadcast_id
    )
    while True:
        if time.monotonic() > until:
            raise _being_stored("error.api.being_stored")
        await asyncio.sleep(_LOOK_EVERY_S)
        if not await caller.parts.threads.run(look):
            return


def _being_stored(message_id: str) -> ProblemError:
    headers = {"Retry-After": str(_COME_BACK_S)}
    return ProblemError(409, message_id, field="audience", headers=headers)
