"""Before a batch is called again that a person called not sent: what speaks against that word."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from broadcast.call.retry import RetryVerdict
from broadcast.errors import InputError
from broadcast.gates.kinds import GateKind
from broadcast.reports import Report
from cli import exits
from cli.terminal import is_terminal
from cli.wiring.run import Run
from models.ledger.reading import jobs, possibly_sent, retry_verdicts
from presentation.words import FollowerCount, Shortened, suffix


def ask(run: Run, report: Report, *, yes: bool) -> None:
    """Ask before a retry that sends twice, should a verdict be wrong: one question is enough.

    WeChat ended a job that can be such a batch, or no longer knows the batch's key. Raises
    InputError where no terminal can be asked, and typer.Exit for a no.
    """
    # A retry of what is cancelled is refused in any case.
    if yes or not report.batches["refused"] or report.gate(GateKind.CANCEL) is not None:
        return
    if ended := jobs.of_called_not_sent(run.engine, report.account, report.id):
        n, [job, *_] = next(iter(ended.items()))
        _ask(run, "retry.unclaimed", {
            "id": report.id, "n": n, "msg_id": job.event.msg_id,
            "followers": FollowerCount(job.event.counts.total),
        })  # fmt: skip
        return
    left = retry_verdicts.look(run.engine, report.id)
    again = [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]
    waits = run.settings.rules().waits
    if forgotten := possibly_sent.forgotten_of(run.engine, report.id, again, waits=waits):
        _ask(run, f"retry.unprotected{suffix(len(forgotten))}", {
            "id": report.id, "numbers": Shortened(sorted(forgotten)),
            "age": min(forgotten.values()),
        })  # fmt: skip


def _ask(run: Run, question: str, facts: Mapping[str, object]) -> None:
    terminal = run.terminal
    if not is_terminal():
        raise InputError(f"error.{question}", **facts)
    if not terminal.agrees(terminal.ask(question, **facts)):
        terminal.note(f"{question.removesuffix('_one')}_declined", **facts)
        raise typer.Exit(exits.FAILED)
