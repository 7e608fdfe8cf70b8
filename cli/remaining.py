"""What remains after a person's word on a broadcast."""

from __future__ import annotations

from collections.abc import Iterable

from broadcast.reports import Report
from cli import ledger_facts
from cli.wiring.run import Run
from models.ledger.reading.in_flight import InFlight
from presentation import blockers, next_steps, report


def remains(run: Run, told: Report, flown: Iterable[InFlight]) -> None:
    """Say where everybody is, what is under way and cannot be stopped, and what goes on how."""
    # What a worker left behind is among the blockers.
    in_flight = ledger_facts.calls(one for one in flown if one.driven)
    for line in (
        report.recipients(told),
        *report.maybe_sent(told),
        *next_steps.in_flight(in_flight, told.now),
        *blockers.lines(told),
        *next_steps.lines(told, ledger_facts.circumstances(run.engine, told)),
    ):
        run.terminal.say(line)
