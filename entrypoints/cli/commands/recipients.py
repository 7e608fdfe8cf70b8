"""``broadcast recipients ID --set SET``: the OpenIDs of one or several sets, to standard output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import typer

from broadcast import openid
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.reports import SKIPS, Report
from broadcast.views import report_lines, tables
from broadcast.views.texts import Texts
from broadcast.views.words import Joined
from entrypoints.cli import candidates, which
from entrypoints.cli.commands.options import BroadcastID, new_app
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal, clean
from models.ledger.lists import recipients as sets
from models.ledger.lists.recipients import Portion, SkippedLines
from models.ledger.views import broadcast_reports

app = new_app()


@app.command(help="help.recipients", json=False)
def recipients(
    run: Run,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    names: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="SET", help="help.recipients.set", autocompletion=candidates.sets
        ),
    ],
    as_csv: Annotated[bool, typer.Option("--csv", help="help.recipients.csv")] = False,
) -> None:
    """Write the OpenIDs of one set or several, one a line, or as CSV."""
    ledger, broadcast_id = run.engine, which.stored(run, broadcast_id)
    if sets.SKIPPED in names:
        if set(names) != {sets.SKIPPED}:
            raise InputError("error.recipients.skipped_alone")
        found = sets.skipped(ledger, broadcast_id)
        rows = tables.skipped_csv(found) if as_csv else _skipped(found, run.texts)
        run.terminal.stream(rows)
        _tell_skipped(run.terminal, found)
        return
    members = sets.portions(ledger, broadcast_id, *names)
    run.terminal.stream(tables.portions_csv(members) if as_csv else _plain(members))
    report = broadcast_reports.report(ledger, broadcast_id)
    _say_if_empty(run, report, names)
    possibly = report_lines.possibly_sent(report)
    if possibly and "waiting" in names:
        run.note("recipients.possibly_sent", n=possibly)


def _say_if_empty(run: Run, report: Report, names: Sequence[str]) -> None:
    """Say that nobody is in the sets, and which are not empty: no output looks like a failure."""
    if report.path is SendPath.SENDALL:
        run.note("recipients.of_wechat", id=report.id)
    elif not any(report.recipients[name] for name in names):
        run.note("recipients.empty", id=report.id, name=names)
        others = {one: count for one, count in report.recipients.items() if count}
        if others:
            figures = [Message(f"set.{one}", n=count) for one, count in others.items()]
            run.note(
                "recipients.others",
                figures=Joined(figures, "separator"),
                id=report.id,
                example=next(iter(others)),
            )


def _plain(members: Iterable[Portion]) -> Iterator[bytes]:
    for portion in members:
        yield openid.with_end(portion.openids, b"\n")


def _skipped(found: Iterable[SkippedLines], texts: Texts) -> Iterator[bytes]:
    for one in found:
        reason = texts(_reason_word(one.reason))
        for line, text in one.lines:
            yield f"{line or ''}\t{reason}\t{clean(one_line(text))}\n".encode()


def _reason_word(reason: str) -> Message:
    if reason in SKIPS:
        return Message(f"skip.word.{reason}")
    return Message("word.newer", word=reason)


def _tell_skipped(terminal: Terminal, found: Iterable[SkippedLines]) -> None:
    """Print how many there were: of each reason only the first lines are kept."""
    for one in found:
        known = f"skip.{one.reason}" if one.reason in SKIPS else "skip.newer"
        figure = Message(known, n=one.count, word=one.reason)
        terminal.note("recipients.skipped", figure=figure, shown=len(one.lines))
    if not any(one.count for one in found):
        terminal.note("recipients.none_skipped")
