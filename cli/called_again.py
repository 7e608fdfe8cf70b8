"""Before a batch is called again that a person called not sent: what speaks against that word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from broadcast.call.retry import RetryVerdict
from broadcast.errors import InputError
from broadcast.gates.kinds import GateKind
from broadcast.jobs import Job
from broadcast.reports import Report
from cli import exits
from cli.terminal import is_terminal
from cli.wiring.run import Run
from models.ledger.reading import jobs, possibly_sent, retry_verdicts
from presentation import jobs as job_words
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
        _ask_of_job(run, report, ended)
        return
    left = retry_verdicts.look(run.engine, report.id)
    again = [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]
    waits = run.settings.rules().waits
    if forgotten := possibly_sent.forgotten_of(run.engine, report.id, again, waits=waits):
        _ask(run, f"retry.unprotected{suffix(len(forgotten))}", {
            "id": report.id, "numbers": Shortened(sorted(forgotten)),
            "age": min(forgotten.values()),
        })  # fmt: skip


def _ask_of_job(run: Run, report: Report, ended: Mapping[int, Sequence[Job]]) -> None:
    n, [job, *_] = next(iter(ended.items()))
    _ask(run, "retry.unclaimed", of_job(report, job, n))


def of_job(report: Report, job: Job, n: int) -> dict[str, object]:
    """Return the facts of a question about a job that can be batch *n*."""
    batch = job.as_batch(report.id, n)
    assert batch is not None, "it is one of the jobs that can be it"
    return {
        "id": report.id, "n": n, "msg_id": job.event.msg_id,
        "followers": FollowerCount(job.event.counts.total),
        "then": job_words.in_brief(job, batch),
        "offer": job_words.offer(job, batch, now=report.now),
    }  # fmt: skip


def _ask(run: Run, question: str, facts: Mapping[str, object]) -> None:
    terminal = run.terminal
    if not is_terminal():
        raise InputError(f"error.{question}", **facts)
    if not terminal.agrees(terminal.ask(question, **facts)):
        terminal.note(f"{question.removesuffix('_one')}_declined", **facts)
        raise typer.Exit(exits.FAILED)
