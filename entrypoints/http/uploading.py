"""Lists that come in by HTTP: a slow caller keeps its place only while nobody else needs it."""

from __future__ import annotations

import asyncio
import math
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from time import monotonic
from typing import BinaryIO, Final

from starlette.requests import ClientDisconnect, Request

from broadcast.errors import (
    AudienceError,
    ConfirmationRequiredError,
    ConflictError,
    DatabaseAwayError,
    InputError,
    PlanError,
)
from broadcast.message import Message
from broadcast.rules.plan.submission import BeingStoredError, TakenOverError
from entrypoints.http import bodies, problems
from entrypoints.http.caller import Caller
from entrypoints.http.lookups import the_broadcast
from entrypoints.http.problems import ProblemError
from entrypoints.http.submitting import SubmitAnswer, door
from entrypoints.http.threads import Pool
from entrypoints.serving.hostile_clients import PATIENT
from models.ledger.submit import awaited_lists
from models.ledger.submit.awaited_lists import Awaited
from models.ledger.views import broadcast_reports
from producer.audience.runs import room_needed
from producer.audience.source import is_packed
from producer.submit.store import Submitted

#: A pace is known after so many seconds, and then for each of as many.
MEASURED_OVER_S: Final = 60.0
#: Bytes a second on average, however few others come.
SLOWEST: Final = 1_000
#: Bytes a second below which a place is given to the next who needs one.
SLOW: Final = 10_000


class UploadSlot:
    """Slot of one list's upload; for an event loop."""

    def __init__(self, now: float, *, whose: str = "") -> None:
        """Begin at *now*, by the monotonic clock; *whose*: its key."""
        self._began, self.received, self.whose = now, 0, whose
        self._marked = now, 0
        #: Bytes a second, of the last whole measure.
        self.pace = math.inf
        #: Whether somebody else needed it.
        self.is_lost = False
        self._waiting: asyncio.Timeout | None = None

    def took(self, size: int, now: float) -> None:
        """Count received bytes."""
        self.received += size
        at, before = self._marked
        if now - at >= MEASURED_OVER_S:
            self.pace = (self.received - before) / (now - at)
            self._marked = now, self.received

    def is_too_slow(self, now: float) -> bool:
        """Return whether it may go on no longer, whether others come or not."""
        return self.received < SLOWEST * (now - self._began - MEASURED_OVER_S)

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Wait inside for *seconds* at most. Raises TimeoutError, also where the place is lost."""
        if self.is_lost:
            raise TimeoutError
        async with asyncio.timeout(seconds) as waiting:
            self._waiting = waiting
            try:
                yield
            finally:
                self._waiting = None

    def lose(self) -> None:
        """End the wait for more of this upload."""
        self.is_lost = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def has_all(self) -> None:
        """Keep the place: its list is here."""
        self.pace = math.inf
        self._marked = math.inf, 0


class Places:
    """All of one process."""

    def __init__(self, most: int, *, most_of_one: int) -> None:
        """*most* places, of which one key has *most_of_one*."""
        self._most, self._most_of_one = most, most_of_one
        self._taken: list[UploadSlot] = []

    @contextmanager
    def one(self, whose: str) -> Iterator[UploadSlot | None]:
        """Yield a place, that of the slowest where all of the key, or all, are taken.

        None: of those nobody is slow.
        """
        rivals = self._rivals(whose)
        if rivals:
            slowest = min(rivals, key=lambda place: place.pace)
            if slowest.pace >= SLOW:
                yield None
                return
            slowest.lose()
        slot = UploadSlot(monotonic(), whose=whose)
        self._taken.append(slot)
        try:
            yield slot
        finally:
            self._taken.remove(slot)

    def _rivals(self, whose: str) -> list[UploadSlot]:
        """Return whose place the next of this key needs; none: there are free ones."""
        taken = [place for place in self._taken if not place.is_lost]
        theirs = [place for place in taken if place.whose == whose]
        if len(theirs) >= self._most_of_one:
            return theirs
        return taken if len(taken) >= self._most else []


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


async def store_list(
    request: Request, caller: Caller, broadcast_id: str, *, confirm: str | None
) -> SubmitAnswer:
    """Store the list that a broadcast waits for. Raises ProblemError and what the door raises."""
    bodies.require_type(request, *TYPES)
    awaited = await caller.threads.run(_awaited, caller, broadcast_id)
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length[:12]) > MOST_BYTES:
        raise bodies.too_large(MOST_BYTES)
    with _upload_slot(caller) as place, _nameless() as file:
        # However many others wait: this one is looked after here.
        request.scope["extensions"][PATIENT]["call"]()
        with room_needed():
            pieces = _expected(_pieces(request, place), caller, broadcast_id)
            await _received(pieces, caller.threads.files, file, place=place)
        await caller.threads.files.run(_refuse_packed, file)
        submit = partial(_submit, caller, awaited, file, confirm=confirm)
        made = await _submitted(caller, awaited, submit)
    report = await caller.threads.run(broadcast_reports.report, caller.engine, made.id)
    return SubmitAnswer(report=report, created=made.created, notices=made.notices)


@contextmanager
def _upload_slot(caller: Caller) -> Iterator[UploadSlot]:
    with _places.one(caller.key.digest) as place:
        if place is None:
            raise ProblemError(
                "error.api.busy_uploads",
                most=MOST_AT_ONCE,
                of_a_key=MOST_OF_A_KEY,
                headers={"Retry-After": str(_COME_BACK_S), **bodies.CLOSE},
            )
        yield place


@contextmanager
def _nameless() -> Iterator[BinaryIO]:
    """Yield a file for one list. Raises AudienceError where the disk has no room for it."""
    with room_needed():
        # Unbuffered, so that nothing is left to write when it is closed on a full disk.
        made = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    with made as file:
        yield file


def _awaited(caller: Caller, broadcast_id: str) -> Awaited:
    the_broadcast(caller, broadcast_id)
    awaited = awaited_lists.awaited_submission(caller.engine, broadcast_id)
    if awaited is None:
        raise ProblemError("error.api.no_upload", field="audience", headers=bodies.CLOSE)
    if awaited.is_cancelled:
        raise ProblemError(
            "error.submit.list_cancelled",
            id=broadcast_id,
            field="audience",
            headers=bodies.CLOSE,
        )
    return awaited


async def _received(
    pieces: AsyncIterator[bytes], threads: Pool, file: BinaryIO, *, place: UploadSlot
) -> None:
    """Write the body to *file*, some at a time, beside the event loop."""
    kept = bytearray()
    async for piece in pieces:
        kept += piece
        place.took(len(piece), monotonic())
        if place.received > MOST_BYTES:
            raise bodies.too_large(MOST_BYTES)
        if place.is_too_slow(monotonic()):
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
    last = monotonic()
    async for piece in pieces:
        if monotonic() > last + _EXPECT_EVERY_S:
            last = monotonic()
            # With the database away for now the list comes all the same.
            with suppress(DatabaseAwayError):
                await caller.threads.lists.run(_expect, caller, broadcast_id)
        yield piece


def _expect(caller: Caller, broadcast_id: str) -> None:
    awaited_lists.expect(caller.engine, broadcast_id)
    _awaited(caller, broadcast_id)


async def _pieces(request: Request, place: UploadSlot) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with place.patience(PIECE_WITHIN_S):
                piece = await anext(stream, None)
        except TimeoutError:
            raise slow() from None
        except ClientDisconnect:
            raise ProblemError("error.api.cut_off", headers=bodies.CLOSE) from None
        if piece is None:
            return
        yield piece


@contextmanager
def _from_start(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the received bytes, to read, even if their request ends meanwhile."""
    with os.fdopen(os.dup(file.fileno()), "rb", buffering=0) as source:
        source.seek(0)
        yield source


def _refuse_packed(file: BinaryIO) -> None:
    """Raise ProblemError for a body that could unpack to any size, whatever its named type."""
    with _from_start(file) as source:
        if is_packed(source.read(8)):
            raise bodies.wrong_type("gzip, zip", *TYPES[:2])


def slow() -> ProblemError:
    """Return the refusal of a list that comes too slowly."""
    return ProblemError(
        "error.api.slow_upload",
        seconds=PIECE_WITHIN_S,
        slow=SLOW // 1000,
        headers=bodies.CLOSE,
    )


async def _submitted(
    caller: Caller, awaited: Awaited, submit: Callable[[], Submitted]
) -> Submitted:
    """Submit the list; while an earlier request stores it, wait for that one's end or death."""
    until = monotonic() + _OTHER_ENDS_WITHIN_S
    while True:
        try:
            return await caller.threads.lists.run(submit)
        except TakenOverError:
            # It stood still for so long that a later one took over; or its time is up.
            await caller.threads.run(the_broadcast, caller, awaited.broadcast_id)
        except BeingStoredError as error:
            if error.is_other:
                raise _being_stored("error.api.other_being_stored") from None
        except InputError as error:
            raise _refused(error, awaited.broadcast_id) from None
        await _other_ends(caller, awaited, until)


def _refused(error: InputError, broadcast_id: str) -> ProblemError:
    """Return a refusal with a fix that works: the request was sent before and cannot be changed.

    Its list still can.
    """
    problem = problems.problem_of(error)
    if problem.status < _SERVERS_TROUBLE and not isinstance(error, ConflictError):
        match error:
            case AudienceError():
                name = "api.fix.awaited_list"
            case PlanError():
                name = "api.fix.awaited_plan"
            case ConfirmationRequiredError():
                name = "api.fix.awaited_confirm"
            case _:
                name = "api.fix.awaited_request"
        problem.fix = Message(name, id=broadcast_id)
    return problem


def _submit(caller: Caller, awaited: Awaited, file: BinaryIO, *, confirm: str | None) -> Submitted:
    confirmed = [confirm] if confirm else []
    with _from_start(file) as source:
        return door(caller).submit_list(awaited, source, who=caller.who, confirm=confirmed)


async def _other_ends(caller: Caller, awaited: Awaited, until: float) -> None:
    """Wait until no request stores the list. Raises ProblemError where one does for long."""
    look = partial(awaited_lists.is_being_stored, caller.engine, awaited.broadcast_id)
    while True:
        if monotonic() > until:
            raise _being_stored("error.api.being_stored")
        await asyncio.sleep(_LOOK_EVERY_S)
        if not await caller.threads.run(look):
            return


def _being_stored(message_id: str) -> ProblemError:
    headers = {"Retry-After": str(_COME_BACK_S)}
    return ProblemError(message_id, field="audience", headers=headers)
