"""Waking workers after an operator's command, so that what may go on goes on at once.

The broker is connected to before the command is carried out: importing and connecting take longer
than a worker needs to begin. Where the broker is away, the sweep of a running beat does it in
seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from broadcast.errors import BrokerAwayError
from broadcast.gates.blockers import is_driven
from broadcast.reports import Report
from broadcast.states import Phase
from cli.wiring.run import Run


def get_ready(run: Run) -> None:
    """Connect to the broker, if it is there."""
    with contextlib.suppress(BrokerAwayError):
        run.waker.connect()


def wake(run: Run, report: Report) -> None:
    """Wake a worker for a broadcast that may go on."""
    if not is_driven(report):
        return
    with contextlib.suppress(BrokerAwayError):
        if report.phase is Phase.PLANNING:
            run.waker.wake_planner(report.id)
        else:
            run.waker.wake_lane(report.account, report.id)


def wake_lanes(run: Run, lanes: Iterable[tuple[str, str]]) -> None:
    """Wake a worker for each account, by a broadcast of it that goes on."""
    with contextlib.suppress(BrokerAwayError):
        for account, broadcast_id in lanes:
            run.waker.wake_lane(account, broadcast_id)
