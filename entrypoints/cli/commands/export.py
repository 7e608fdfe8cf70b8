"""``broadcast export ID``: all that is known of one broadcast, as JSON or a table of its people."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from broadcast import openid
from broadcast.errors import InputError
from broadcast.quoting import visible
from broadcast.rules.reports import set_of
from broadcast.views import json_objects, tables
from broadcast.views.objects import utc, utc_if_any
from entrypoints.cli import which
from entrypoints.cli.commands.options import AsJSON, BroadcastID, new_app
from entrypoints.cli.run import Run
from models.ledger.lists.recipients import Portion
from models.ledger.views import exports
from models.ledger.views.exports import Export

app = new_app()

COLUMNS = (
    "openid", "set", "reason", "batch", "state", "errcode", "msg_id", "calls", "called_at", "line",
)  # fmt: skip


@app.command(help="help.export")
def export(
    run: Run,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    as_csv: Annotated[bool, typer.Option("--csv", help="help.export.csv")] = False,
    as_json: AsJSON = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="help.export.output")
    ] = None,
) -> None:
    """Write figures, batches, calls, gates, history and people; without ``--csv`` as JSON."""
    if as_csv and as_json:
        raise InputError("error.export.both")
    whole = exports.export(run.engine, which.stored(run, broadcast_id))
    if as_csv:
        run.terminal.stream(_table(run.engine, whole), into=output)
    else:
        pieces = map(_piece, exports.people(run.engine, whole))
        run.terminal.stream_json("people", pieces, beside=_beside(whole), into=output)
    if whole.pruned_at is not None:
        run.terminal.note("export.pruned", id=whole.report.id)
    if output is not None:
        run.terminal.note("export.written", id=whole.report.id, file=str(output))


def _beside(whole: Export) -> dict[str, Any]:
    """Return all but the people."""
    rows = {name: getattr(whole, name) for name in ("batches", "calls", "gates", "history")}
    return {
        "broadcast": json_objects.as_json(whole.report),
        "pruned_at": utc_if_any(whole.pruned_at),
        "content": json.loads(whole.report.content),
        **{name: list(map(_row, found)) for name, found in rows.items()},
        "lines": [
            {"reason": one.reason, "count": one.count, "first": list(map(list, one.lines))}
            for one in whole.lines
        ],
    }


def _row(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if name == "detail"
        else utc(value, timespec="microseconds") if isinstance(value, datetime)
        else value
        for name, value in found.items()
    }  # fmt: skip


def _piece(one: Portion | tuple[str, bytes]) -> dict[str, Any]:
    """Return some people who have everything else in common."""
    if isinstance(one, Portion):
        known = {"set": set_of(one.state), "batch": one.n, "state": one.state.value}
        return known | {"openids": _each(one.openids)}
    return {"set": tables.SKIPPED, "reason": one[0], "openids": _each(one[1])}


def _each(openids: bytes) -> list[str]:
    return [one.decode("ascii") for one in openid.each(openids)]


def _table(engine: Engine, whole: Export) -> Iterator[bytes]:
    """Yield one row a person, and a row for each line that was left out and is known."""
    yield codecs.BOM_UTF8 + tables.row(COLUMNS)
    batches = {row["n"]: row for row in whole.batches}
    for one in exports.people(engine, whole):
        if isinstance(one, Portion):
            row = batches.get(one.n, {})
            rest = (
                set_of(one.state), one.reason and one.reason.value, one.n, one.state.value,
                one.errcode, one.msg_id, row.get("attempts"),
                utc_if_any(row.get("first_called_at")), None,
            )  # fmt: skip
            yield openid.with_end(one.openids, b"," + tables.row(rest))
        else:
            reason, openids = one
            yield openid.with_end(openids, b"," + tables.row(_left_out(reason)))
    for lines in whole.lines:
        for line, text in lines.lines:
            shown = tables.harmless(visible(text))
            yield tables.row((shown, *_left_out(lines.reason, line or None)))


def _left_out(reason: str, line: int | None = None) -> tuple[object, ...]:
    return (tables.SKIPPED, reason, *[None] * (len(COLUMNS) - 4), line)
