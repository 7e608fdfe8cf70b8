"""``broadcast recipients ID --set SET``: who is in a set, streamed to standard output."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from broadcast import openid
from broadcast.message import Message
from cli import which
from cli.commands.options import BroadcastID, new_app
from cli.group import Command
from cli.terminal import Terminal, clean, one_line
from cli.wiring.run import Run
from models.ledger.reading import recipients as sets
from models.ledger.reading.recipients import Portion, SkippedLines

app = new_app()

#: Programs and sheets read them: columns and words are the same whatever the person's language.
COLUMNS = ("openid", "batch", "state", "reason", "errcode", "msg_id")
SKIPPED_COLUMNS = ("text", "line", "state", "reason")
#: A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@app.command(cls=Command, help="help.recipients")
def recipients(
    context: typer.Context,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    name: Annotated[str, typer.Option("--set", metavar="SET", help="help.recipients.set")],
    as_csv: Annotated[bool, typer.Option("--csv", help="help.recipients.csv")] = False,
) -> None:
    """Write the OpenIDs of one set, one a line, or as CSV."""
    run: Run = context.obj
    ledger, broadcast_id = run.engine, which.stored(run, broadcast_id)
    if name == sets.SKIPPED:
        found = sets.skipped(ledger, broadcast_id)
        run.terminal.stream(_skipped(found, as_csv=as_csv))
        _tell_skipped(run.terminal, found)
        return
    members = sets.portions(ledger, broadcast_id, name)
    run.terminal.stream(_table(members) if as_csv else _plain(members))


def _plain(members: Iterable[Portion]) -> Iterator[bytes]:
    for portion in members:
        yield _joined(portion.openids, b"\n")


def _table(members: Iterable[Portion]) -> Iterator[bytes]:
    yield codecs.BOM_UTF8 + _row(COLUMNS)
    for portion in members:
        # What follows the OpenID is the same for the whole batch.
        reason = portion.reason.value if portion.reason else ""
        rest = _row((portion.n, portion.state.value, reason, portion.errcode, portion.msg_id))
        yield _joined(portion.openids, b"," + rest)


def _joined(openids: bytes, end: bytes) -> bytes:
    """Return each OpenID with *end* behind it."""
    starts = range(0, len(openids), openid.LENGTH)
    return b"".join([openids[start : start + openid.LENGTH] + end for start in starts])


def _skipped(found: Iterable[SkippedLines], *, as_csv: bool) -> Iterator[bytes]:
    if as_csv:
        yield codecs.BOM_UTF8 + _row(SKIPPED_COLUMNS)
    for one in found:
        for line, text in one.lines:
            shown = clean(one_line(text))
            if as_csv:
                safe = f"'{shown}" if shown.startswith(FORMULA) else shown
                yield _row((safe, line, sets.SKIPPED, one.reason))
            else:
                yield f"{line}\t{one.reason}\t{shown}\n".encode()


def _tell_skipped(terminal: Terminal, found: Iterable[SkippedLines]) -> None:
    """Say how many there were: of each reason only the first lines are kept."""
    for one in found:
        figure = Message(f"skip.{one.reason}", n=one.count)
        terminal.note("recipients.skipped", figure=figure, shown=len(one.lines))
    if not any(one.count for one in found):
        terminal.note("recipients.none_skipped")


def _row(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
