"""A first call that would come too late: held, said with the one command, and sent by it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from broadcast.crashpoints import VARIABLE, Point
from broadcast.rules.calls.outcomes import Outcome
from models.batch_tables import AttemptRow
from models.every_table import BroadcastRow
from tests.acceptance.conftest import sets_of
from tests.kit import ledger
from tests.kit.wait import until
from worker.delivery.lane import CALL_WITHIN_S

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

HOUR = timedelta(hours=1)


def start(system: System) -> None:
    """Open the laptop: worker and beat begin."""
    system.beat()
    system.worker()


@pytest.mark.parametrize("scheduled", [True, False])
def test_what_nobody_sent_in_time_is_held_and_goes_out_by_the_one_command(
    start_system: StartSystem, *, scheduled: bool
) -> None:
    system = start_system(followers=20, BROADCAST_BATCH_SIZE="10")
    at = ("--at", (datetime.now(UTC) + HOUR).isoformat()) if scheduled else ()
    sent = system.send(system.simulator.openids(20), *at)["id"]
    ledger.pass_time(system.engine, 3 * HOUR)

    start(system)
    system.until_state(sent, "held")

    told = system.broadcast("status", sent, "--json")
    assert "its first call would have come more than 15 min (--late-by)" in told.stderr
    assert f"broadcast resume {sent}" in told.stderr
    assert system.simulator.mass_calls() == []
    assert system.broadcast("watch", sent, status=1).stdout.count(f"resume {sent}") == 1

    system.broadcast("resume", sent)

    assert sets_of(system.until_state(sent, "completed")) == {"accepted": 20}
    assert system.simulator.ledger()["delivered_max"] == 1


@pytest.mark.parametrize(
    "course", [pytest.param("asleep", marks=pytest.mark.prove), "killed", "unreachable"]
)
def test_after_a_claim_that_sent_nothing_the_first_call_can_still_be_late(
    start_system: StartSystem, course: str
) -> None:
    """The lid is shut, or the worker killed, between claim and call; or WeChat is away."""
    system = start_system(followers=20, BROADCAST_BATCH_SIZE="10")
    sent = system.send(system.simulator.openids(20))["id"]
    point, signal = {
        "asleep": (Point.CLAIM_COMMITTED, "STOP"),
        "killed": (Point.CLAIM_COMMITTED, "KILL"),
        "unreachable": (Point.PACE_TAKEN, "STOP"),
    }[course]
    worker = system.worker(ready=False, **{VARIABLE: f"{point}:1:{signal}"})
    worker.wait_for_line(f"SIG{signal} at {point}")
    if course == "unreachable":
        system.simulator.port = urlsplit(system.simulator.url).port or 0
        system.simulator.kill()
        worker.thaw()
        until(lambda: Outcome.WAIT in _outcomes(system), 20, "a call that did not leave")
        worker.kill()
        system.simulator.start()
    ledger.pass_time(system.engine, 3 * HOUR)

    if course == "asleep":
        shut = time.monotonic()
        until(lambda: time.monotonic() - shut > CALL_WITHIN_S, 5, "the claim is too old for a call")
        worker.thaw()
    start(system)
    system.until_state(sent, "held")

    assert "its first call would have come" in system.broadcast("status", sent, "--json").stderr
    assert system.simulator.mass_calls() == []
    system.broadcast("resume", sent)
    assert sets_of(system.until_state(sent, "completed")) == {"accepted": 20}
    assert system.simulator.ledger()["delivered_max"] == 1


def _outcomes(system: System) -> list[Outcome | None]:
    with system.engine.connect() as connection:
        return list(connection.scalars(select(AttemptRow.outcome)))


def test_what_may_be_late_goes_out_late(start_system: StartSystem) -> None:
    system = start_system(followers=20, BROADCAST_BATCH_SIZE="10")
    sent = system.send(system.simulator.openids(20), "--late-by", "4h")["id"]
    ledger.pass_time(system.engine, 3 * HOUR)

    start(system)

    assert sets_of(system.until_state(sent, "completed")) == {"accepted": 20}


@pytest.mark.prove
def test_a_broadcast_that_stood_in_line_is_not_late(start_system: StartSystem) -> None:
    """The lane was busy all the time; then it is the line that was long."""
    # Ten calls of 0.7 s: however slow the machine is, the second one is there before they end.
    system = start_system(followers=20, latency_ms=700, BROADCAST_BATCH_SIZE="2")
    start(system)
    first = system.send(system.simulator.openids(20))["id"]
    second = system.send(system.simulator.openids(2), "--text", "b")["id"]
    with system.engine.begin() as connection:
        # Shorter than anybody may ask for, so that no line of a minute is needed.
        connection.execute(update(BroadcastRow).values(late_by_s=1))

    for sent in (first, second):
        system.until_state(sent, "completed")
    last = system.report(second)
    assert last.started_at is not None
    assert last.started_at - last.created_at > timedelta(seconds=1)


def test_a_started_broadcast_goes_on_however_late(start_system: StartSystem) -> None:
    system = start_system(followers=20, latency_ms=200, BROADCAST_BATCH_SIZE="2")
    worker = system.worker()
    sent = system.send(system.simulator.openids(20))["id"]
    system.simulator.wait_for_jobs(2)
    worker.kill()
    until(lambda: system.report(sent).batches["accepted"] >= 1, 20, "a call that was recorded")
    ledger.pass_time(system.engine, 3 * HOUR)

    start(system)

    assert sets_of(system.until_state(sent, "completed")) == {"accepted": 20}
    assert system.simulator.ledger()["delivered_max"] == 1
