"""The doors of the program that are counted, and the names of its insides that this needs.

They stand here alone, so that a move of packages touches one file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta

from broadcast import crashpoints
from entrypoints.cli.main import run as run_command
from models.engine import open_engine
from producer import Producer
from tests.kit import ledger
from worker import wiring
from worker.application import make
from worker.delivery import lane
from worker.messages import PersonNeeded

#: Threads that work when their time has come, so that a busy machine has more of it: the renewal of
#: leases, and the keys of the HTTP API, which are read again after a second.
BY_TIME = ("heartbeat", "api-keys")
#: Threads that deliver webhooks.
WEBHOOKS = "WebhookDeliverer"

#: Longer than any machine takes from a claim to its call, and a time that every claim exceeds.
_IN_TIME_S, _TOO_LATE_S = 600.0, -1.0

__all__ = [
    "BY_TIME",
    "WEBHOOKS",
    "Producer",
    "at_crash_points",
    "claims_are_too_old",
    "end_deliveries",
    "new_worker",
    "pass_time",
    "run_command",
    "task",
    "told_to_end",
]


def task(name: str, *words: object, **named: object) -> None:
    """Run a task by its name, as a worker's thread does, whatever it finds."""
    app = make()
    app.loader.import_default_modules()
    with contextlib.suppress(PersonNeeded):
        app.tasks[name](*words, **named)


def new_worker() -> None:
    """Let the next task find a process that reads its environment anew."""
    claims_are_too_old(are=False)
    wiring.stopping.clear()
    if wiring._build.cache_info().currsize:
        wiring.parts().engine.dispose()
    wiring._build.cache_clear()


def end_deliveries() -> None:
    """Wait for what is under way beside the tasks."""
    wiring.end_deliveries(60)


def told_to_end() -> None:
    """Tell the lanes of this process to end after the call that is under way."""
    wiring.stopping.set()


def claims_are_too_old(*, are: bool) -> None:
    """Let each claim be too old for its call, or none, however busy the machine is."""
    lane.CALL_WITHIN_S = _TOO_LATE_S if are else _IN_TIME_S


def at_crash_points(told: Callable[[str], None]) -> None:
    """Have each crash point told by its name."""
    crashpoints._passing = lambda point: told(point.value)


def pass_time(url: str, elapsed: timedelta) -> None:
    """Let time pass for what is stored."""
    engine = open_engine(url)
    ledger.pass_time(engine, elapsed)
    engine.dispose()
