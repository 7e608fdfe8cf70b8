"""OpenIDs of a set of a broadcast, streamed: as JSON lines or as CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from broadcast.rules.states import Phase
from broadcast.views import tables
from entrypoints.http import examples, openapi
from entrypoints.http.caller import Caller, Reader
from entrypoints.http.lookups import the_broadcast
from entrypoints.http.problems import ProblemError
from entrypoints.http.threads import Pool
from models.ledger.lists import recipients
from models.ledger.views import broadcast_reports

router = APIRouter(prefix="/v1", tags=["broadcasts"])

LINES: Final = "application/jsonl"
CSV: Final = "text/csv"
Set = Literal["accepted", "refused", "cancelled", "in_doubt", "waiting", "skipped"]


@router.get(
    "/broadcasts/{broadcast_id}/recipients",
    response_class=StreamingResponse,
    operation_id="recipients",
    summary="Stream who is in a set",
    responses=openapi.of_a_reading(409)
    | openapi.streams(
        "One object, or one row, an OpenID",
        {LINES: examples.LINES, CSV: examples.ROWS},
    ),
)
async def stream(
    request: Request,
    broadcast_id: str,
    caller: Reader,
    *,
    sets: Annotated[list[Set], Query(alias="set", min_length=1)],
    as_: Annotated[Literal["jsonl", "csv"] | None, Query(alias="format")] = None,
) -> Response:
    """Return one object, or one row, an OpenID: its set's state, batch, reason and msg_id.

    `set` may be given several times; `skipped`, which has the first lines that were left out and
    why, stands alone. Without `format` the header `Accept: text/csv` asks for CSV.
    """
    as_csv = as_ == "csv" or (as_ is None and CSV in request.headers.get("accept", ""))
    reading = caller.threads.readers
    rows = await reading.run(_rows, caller, broadcast_id, sets, as_csv=as_csv)
    kind = f"{CSV}; charset=utf-8; header=present" if as_csv else LINES
    return StreamingResponse(_stepped(reading, rows), media_type=kind)


async def _stepped(reading: Pool, rows: Iterator[bytes]) -> AsyncIterator[bytes]:
    # Some at a time: no thread waits for who reads slowly.
    while (some := await reading.run(next, rows, None)) is not None:
        yield some


def _rows(caller: Caller, broadcast_id: str, names: list[Set], *, as_csv: bool) -> Iterator[bytes]:
    the_broadcast(caller, broadcast_id)
    engine, wanted = caller.engine, dict.fromkeys(names)
    if broadcast_reports.report(engine, broadcast_id, whole=False).phase is Phase.UPLOADING:
        raise ProblemError("error.api.uploading")
    if recipients.SKIPPED in wanted:
        if len(wanted) > 1:
            raise ProblemError("error.recipients.skipped_alone", field="set")
        left_out = recipients.skipped(engine, broadcast_id)
        return tables.skipped_csv(left_out) if as_csv else tables.skipped_lines(left_out)
    portions = recipients.portions(engine, broadcast_id, *wanted)
    return tables.portions_csv(portions) if as_csv else tables.portions_lines(portions)
