"""Before followers are called again: whether a newer broadcast reached them meanwhile."""

from __future__ import annotations

from collections.abc import Collection

import typer

from broadcast.call.outcomes import content_stays_refused
from broadcast.call.retry import RetryVerdict
from broadcast.errors import InputError
from broadcast.gates.kinds import RESUME_OPENS, GateKind
from broadcast.reports import Report
from broadcast.states import SHOWN_DONE, BatchState
from cli import exits
from cli.terminal import is_terminal
from cli.wiring.run import Run
from models.ledger.reading import ids, retry_verdicts
from presentation.words import Shortened

_WAITS = frozenset({BatchState.PLANNED, BatchState.UNKNOWN})


def of_resume(report: Report) -> list[int]:
    """Return the batches that a resume lets be called: none where it has nothing to open."""
    if report.gate(*RESUME_OPENS) is None:
        return []
    # What is not cut into batches yet is number 0.
    return _waiting(report) if report.batch_list else [0]


def of_retry(run: Run, report: Report) -> list[int]:
    """Return the batches that a retry lets be called: none where only a resume opens the way."""
    breaker = report.gate(GateKind.BREAKER)
    stays = breaker is not None and content_stays_refused(breaker.reason, breaker.errcode)
    if stays or report.gate(GateKind.CANCEL, GateKind.PAUSE, GateKind.HOLD, GateKind.DRAFT):
        return []
    left = retry_verdicts.look(run.engine, report.id) if report.batches["refused"] else ()
    again = [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]
    # What waits goes on with it where the circuit breaker stopped it.
    return [*again, *(_waiting(report) if breaker else ())]


def _waiting(report: Report) -> list[int]:
    return [line.n for line in report.batch_list if line.state in _WAITS]


def ask(run: Run, report: Report, numbers: Collection[int], *, command: str, yes: bool) -> bool:
    """Ask before batches are called whose followers a newer broadcast reached; return whether.

    Raises InputError where no terminal can be asked, and typer.Exit for a no.
    """
    if yes or not numbers:
        return False
    among = ids.newer(run.engine, report.id)
    if not among:
        return False
    from models.ledger.reading import newer  # noqa: PLC0415 - numpy, which few commands need

    # Of two that wait none takes the place of the other: each has its own time.
    found = newer.newer(
        run.engine, report.id, numbers, among=among, to_come=report.started_at is not None
    )
    if not found.followers:
        return False
    terminal = run.terminal
    if not is_terminal():
        raise InputError(
            "newer.refused", id=report.id, count=found.followers, ids=Shortened(found.ids),
            command=f"broadcast {command} {report.id} --yes",
        )  # fmt: skip
    answer = terminal.ask(
        "newer.question", id=report.id, count=found.followers, ids=Shortened(found.ids)
    )
    if not terminal.agrees(answer):
        done = report.state in SHOWN_DONE
        terminal.note("newer.declined_ended" if done else "newer.declined", id=report.id)
        raise typer.Exit(exits.FAILED)
    return True
