"""``broadcast export ID``: all that is known of one broadcast, as JSON or a table of its people."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from broadcast import openid
from broadcast.errors import InputError
from broadcast.rules.reports import set_of
from broadcast.views import json_objects, tables
from broadcast.views.objects import utc, utc_if_any
from entrypoints.cli import which
from entrypoints.cli.commands.options import BroadcastID, new_app
from entrypoints.cli.run import Run
from models.ledger.lists.recipients import Portion
from models.ledger.views import exports
from models.ledger.views.exports import Export

app = new_app()

COLUMNS = (
    "openid",
    "set",
    "reason",
    "batch",
    "state",
    "errcode",
    "msg_id",
    "calls",
    "called_at",
    "line",
)


@app.command(help="help.export")
def export(
    run: Run,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    as_csv: Annotated[bool, typer.Option("--csv", help="help.export.csv")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="help.export.output")
    ] = None,
) -> None:
    """Write figures, batches, calls, gates, history and people; without ``--csv`` as JSON."""
    if as_csv and run.as_json:
        raise InputError("error.export.both")
    if output is None and sys.stdout is not None and sys.stdout.isatty():
        # It is about thousands of people, and nobody reads it there.
        raise InputError("error.export.to_a_terminal")
    whole = exports.export(run.engine, which.stored(run, broadcast_id))
    if as_csv:
        run.terminal.stream(_table(run.engine, whole), into=output)
    else:
        pieces = map(_piece, exports.people(run.engine, whole))
        run.terminal.stream_json("people", pieces, beside=_beside(whole), into=output)
    if whole.pruned_at is not None:
        run.note("export.pruned", id=whole.report.id)
    if output is not None:
        run.note("export.written", id=whole.report.id, file=str(output))


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
        name: json.loads(value)
        if name == "detail"
        else utc(value, timespec="microseconds")
        if isinstance(value, datetime)
        else value
        for name, value in found.items()
    }


def _piece(one: Portion) -> dict[str, Any]:
    """Return some people who have everything else in common."""
    return {
        "set": _set(one),
        "batch": one.n or None,
        "state": one.state,
        "reason": one.reason,
        "openids": [each.decode("ascii") for each in openid.each(one.openids)],
    }


def _set(one: Portion) -> str:
    return set_of(one.state) if one.state else tables.SKIPPED


def _table(engine: Engine, whole: Export) -> Iterator[bytes]:
    """Yield one row a person, and a row for each line that was left out and is known."""
    yield codecs.BOM_UTF8 + tables.row(COLUMNS)
    batches = {row["n"]: row for row in whole.batches}
    for one in exports.people(engine, whole):
        row = batches.get(one.n, {})
        rest = (
            _set(one),
            one.reason,
            one.n or None,
            one.state,
            one.errcode,
            one.msg_id,
            row.get("attempts"),
            utc_if_any(row.get("first_called_at")),
            None,
        )
        yield openid.with_end(one.openids, b"," + tables.row(rest))
    for text, line, state, reason in tables.left_out(whole.lines):
        yield tables.row((tables.harmless(text), state, reason, *[None] * 6, line))
