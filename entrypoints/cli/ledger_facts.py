"""Facts of the ledger beside a report, in the structures that the views take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from broadcast.message import Message
from broadcast.rules.reports import SKIPS, Report
from broadcast.settings.environment import DEMO
from broadcast.views import next_steps
from broadcast.views.blocker_lines import Lanes
from entrypoints.cli.run import Run
from models import schema
from models.ledger.boxes import dead_letters
from models.ledger.views import beside_reports, broadcast_reports

if TYPE_CHECKING:
    from broadcast.rules.findings import Finding, Worker


def steps(run: Run, report: Report) -> Iterator[Message]:
    """Yield the next steps with a broadcast, whose *report* has its batches.

    Raises DatabaseAwayError.
    """
    waits, stays = run.settings.waits(), DEMO not in os.environ
    beside = beside_reports.circumstances(run.engine, report, waits=waits, stays=stays)
    return next_steps.lines(report, beside)


def skipped(engine: Engine, report: Report) -> dict[str, list[tuple[int, str]]]:
    """Return the first skipped lines by reason. Raises DatabaseAwayError."""
    # An upload has none, and no list of them yet.
    if not any(report.audience[name] for name in SKIPS):
        return {}
    from models.ledger.lists import recipients

    return {one.reason: one.lines for one in recipients.skipped(engine, report.id)}


def lanes(engine: Engine) -> Lanes:
    """Read every lane. Raises DatabaseAwayError."""
    views, moment = broadcast_reports.lanes(engine)
    return Lanes(by_account=views, now=moment)


def settle_letters(run: Run, letter_id: str | None = None) -> None:
    """Close those of all letters that wait, or one of them, whose message is a broadcast."""
    if used := dead_letters.possibly_sent(run.engine, letter_id):
        from producer.request import door

        door.settle_letters(run.engine, run.settings, used)


def workers(run: Run) -> list[Worker]:
    """Return the first worker that answers, or all if that one does none of our work.

    Raises BrokerAwayError and DatabaseAwayError.
    """
    first = run.waker.workers(limit=1)
    return run.waker.workers() if first and unfit(run, first) else first


def unfit(run: Run, answering: Sequence[Worker]) -> list[Finding]:
    """Return what keeps workers that answer from our work. Raises DatabaseAwayError."""
    from broadcast.rules.findings import of_workers
    from entrypoints.cli.probes.shell_words import as_typed, celery

    ours = schema.installation(run.engine)
    found = of_workers(answering, ours, celery=celery(), has_beat=True)
    return [as_typed(one) for one in found] if answering else []
