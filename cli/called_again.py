"""Before a batch is called again that a person called not sent: what speaks against that word."""

from __future__ import annotations

import typer

from broadcast.errors import InputError
from broadcast.reports import Report
from cli import exits
from cli.terminal import is_terminal
from cli.wiring.run import Run
from presentation.called_again import question
from producer import called_again


def ask(run: Run, report: Report, *, yes: bool) -> None:
    """Ask before a retry that sends twice, should a verdict be wrong: one question is enough.

    WeChat ended a job that can be such a batch, or no longer knows the batch's key. Raises
    InputError where no terminal can be asked, and typer.Exit for a no.
    """
    if yes:
        return
    against = called_again.look(run.engine, report, waits=run.settings.rules().waits)
    asked = question(report, ended=against.ended, forgotten=against.forgotten)
    if asked is None:
        return
    if not is_terminal():
        raise InputError(f"error.{asked.id}", **asked.facts)
    terminal = run.terminal
    if not terminal.agrees(terminal.ask(asked.id, **asked.facts)):
        terminal.note(f"{asked.id.removesuffix('_one')}_declined", **asked.facts)
        raise typer.Exit(exits.FAILED)
