"""Before followers are called again: whether a newer broadcast reached them meanwhile."""

from __future__ import annotations

from collections.abc import Collection

import typer

from broadcast.reports import Report
from broadcast.states import SHOWN_DONE
from cli import exits
from cli.terminal import is_terminal
from cli.wiring.run import Run
from presentation.words import Shortened
from producer import called_again


def ask(run: Run, report: Report, numbers: Collection[int], *, command: str, yes: bool) -> bool:
    """Ask before batches are called whose followers a newer broadcast reached; return whether.

    Raises InputError where no terminal can be asked, and typer.Exit for a no.
    """
    found = None if yes else called_again.reached(run.engine, report, numbers)
    if found is None:
        return False
    if not is_terminal():
        raise called_again.refusal(report, found, command=command)
    terminal = run.terminal
    answer = terminal.ask(
        "newer.question", id=report.id, count=found.followers, ids=Shortened(found.ids)
    )
    if not terminal.agrees(answer):
        done = report.state in SHOWN_DONE
        terminal.note("newer.declined_ended" if done else "newer.declined", id=report.id)
        raise typer.Exit(exits.FAILED)
    return True
