"""The undo window: after a yes on a terminal the first call is kept back, and a cancel makes none.

Real workers, no beat unless a test says so; what was called, the simulator's own ledger says.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.rules.gates.gate import Cause, GateKind
from models.engine import now
from models.ledger.rows.transaction import read
from tests.acceptance.conftest import sets_of
from tests.kit.terminal import Shown, typed
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

PEOPLE = 20


def answered(
    system: System, *options: str, text: str = "hello", yes: str = "y", people: int = PEOPLE
) -> Shown:
    """Send to so many on a terminal, where a person answers the question."""
    (system.folder / "list.txt").write_text("\n".join(system.simulator.openids(people)), "ascii")
    line = " ".join(("broadcast send --openids list.txt --text", text, *options))
    environment = {**os.environ, **system.env}
    return typed(line, folder=system.folder, environment=environment, answers=[yes])


def in_a_terminal(system: System, line: str) -> Shown:
    """Run a line where a person sits, who is asked nothing."""
    return typed(line, folder=system.folder, environment={**os.environ, **system.env}, answers=[])


def newest(system: System) -> dict[str, Any]:
    """The object of the newest broadcast."""
    told: dict[str, Any] = json.loads(
        system.broadcast("status", "@last", "--json").stdout.splitlines()[-1]
    )
    return told


def clock(system: System) -> datetime:
    """What the database takes for now."""
    with read(system.engine) as connection:
        return now(connection)


def ends(told: dict[str, Any]) -> datetime:
    """When the time is over that a broadcast's only blocker names."""
    (blocker,) = told["blockers"]
    assert blocker["cause"] == Cause.COOLING_OFF
    return datetime.fromisoformat(blocker["until"])


def test_the_time_left_is_shown_everywhere_and_its_end_needs_no_beat(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="4s above 19")
    system.worker()

    shown = answered(system)
    told = newest(system)

    until_ = ends(told)
    assert "Within 4 s `broadcast cancel` stops it" in " ".join(shown.text.split())
    stops = "First call in 4 s. Before that, this stops it without a call:\n    broadcast cancel "
    assert stops + told["id"] in shown.text
    assert told["state"] in {"planning", "waiting"}
    assert told["blockers"][0]["command"] == f"broadcast cancel {told['id']}"
    assert "First call in " in system.broadcast("status", "@last").stdout
    watched = system.broadcast("watch", "@last")
    assert "First call in " in watched.stderr
    report = system.until_state(told["id"], "completed")
    assert report.started_at is not None
    assert report.started_at >= until_
    assert sets_of(report) == {"accepted": PEOPLE}
    assert system.simulator.ledger()["delivered_max"] == 1


@pytest.mark.parametrize(
    "moment_left",
    [pytest.param(timedelta(seconds=4), marks=pytest.mark.prove), timedelta(milliseconds=400)],
)
def test_a_cancel_in_it_makes_no_call_even_at_the_last_moment(
    start_system: StartSystem, moment_left: timedelta
) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="6s above 0")
    system.worker()
    system.beat()
    answered(system)
    told = newest(system)
    over = ends(told)
    until(lambda: system.report(told["id"]).batches["total"] == 1, 5, "the plan, made under it")
    until(lambda: over - clock(system) <= moment_left, 10, f"{moment_left} before its end")

    cancelled = json.loads(
        system.broadcast("cancel", told["id"], "--yes", "--json").stdout.splitlines()[-1]
    )

    assert cancelled["calls"] == 0 or clock(system) >= over
    until(lambda: clock(system) > over + timedelta(seconds=1), 10, "the end of its time")
    # What the lane calls next shows that it was driven after that.
    other = system.send(system.simulator.openids(2), "--text", "another")["id"]
    system.until_state(other, "completed")
    calls = system.simulator.mass_calls()
    assert len(calls) == 1 + cancelled["calls"]
    if cancelled["calls"] == 0:
        assert sets_of(system.report(told["id"])) == {"cancelled": PEOPLE}


def test_a_cancel_without_an_id_means_the_one_that_is_kept_back_and_none_of_later(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="60s above 0")
    answered(system, "--at", "'tomorrow 12:00'")
    later = newest(system)["id"]

    refused = in_a_terminal(system, "broadcast cancel --yes")
    assert (refused.status, f"broadcast cancel {later} --yes" in refused.text) == (2, True)
    answered(system, text="wrong")
    kept_back = newest(system)["id"]
    in_a_terminal(system, "broadcast cancel --yes")

    assert system.report(kept_back).state == "cancelled"
    assert system.report(later).state == "scheduled"
    system.broadcast("cancel", later, "--yes")
    assert system.report(later).state == "cancelled"


def test_a_worker_that_is_killed_in_it_changes_nothing_for_the_person(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="5s above 0")
    worker = system.worker()
    answered(system, text="kept")
    kept = newest(system)
    # Long, so that a busy machine cancels in time.
    answered(system, "--cooling-off 5m", text="dropped")
    dropped = newest(system)
    until(lambda: system.report(dropped["id"]).batches["total"] == 1, 5, "both plans")
    worker.kill()

    system.broadcast("cancel", dropped["id"], "--yes")
    assert clock(system) < ends(dropped)
    system.beat()
    system.worker()

    assert sets_of(system.until_state(kept["id"], "completed")) == {"accepted": PEOPLE}
    assert sets_of(system.report(dropped["id"])) == {"cancelled": PEOPLE}
    assert len(system.simulator.mass_calls()) == 1
    assert system.simulator.ledger()["delivered_max"] == 1


@pytest.mark.parametrize(
    ("options", "people"),
    [("--cooling-off 0", PEOPLE), ("", 5), ("--yes", PEOPLE), ("--confirm 0123456789", PEOPLE)],
)
def test_nothing_is_kept_back_where_it_is_off_few_get_it_or_nobody_is_asked(
    start_system: StartSystem, options: str, people: int
) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="5m above 5")
    system.worker()

    shown = answered(system, options, people=people)

    report = system.until_state(newest(system)["id"], "completed")
    assert report.gate(GateKind.COOLING_OFF) is None
    assert "First call in" not in shown.text
    assert "It cannot be recalled." in shown.text or options == "--yes"


def test_a_program_is_never_kept_back(start_system: StartSystem) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="5m above 0")
    system.worker()

    sent = system.send(system.simulator.openids(PEOPLE))

    assert sent["blockers"] == []
    system.until_state(sent["id"], "completed")


def test_resume_never_opens_it_and_its_time_is_no_lateness(start_system: StartSystem) -> None:
    system = start_system(followers=PEOPLE)
    answered(system, "--cooling-off 5m", "--late-by 1m")
    told = newest(system)

    resumed = system.broadcast("resume", told["id"], status=None)
    assert "First call in " in resumed.stdout + resumed.stderr
    assert ends(newest(system)) == ends(told)
    system.broadcast("pause", told["id"])
    system.broadcast("resume", told["id"])

    assert ends(newest(system)) == ends(told)


def test_what_waits_for_a_later_time_is_not_kept_back_beside_it(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="60s above 0")

    later = datetime.now().astimezone() + timedelta(hours=1)

    shown = answered(system, f"--at {later:%Y-%m-%dT%H:%M%z}")

    told = newest(system)
    assert "Until then `broadcast cancel` stops it" in " ".join(shown.text.split())
    assert [one["cause"] for one in told["blockers"]] == [Cause.SCHEDULED]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--cooling-off 6m", "--cooling-off 6m is not valid: use 0, or a duration up to 5m"),
        ("--cooling-off soon", "--cooling-off soon is not valid"),
        ("--cooling-off 30s --yes", "--cooling-off is for a person who answers the question"),
    ],
)
def test_a_wrong_length_is_refused_in_one_line(
    start_system: StartSystem, options: str, told: str
) -> None:
    system = start_system(followers=PEOPLE)

    shown = answered(system, options)

    assert shown.status == 2
    assert told in " ".join(shown.text.split())
    assert system.all_reports() == []


def test_a_wrong_setting_is_named_with_what_is_allowed(start_system: StartSystem) -> None:
    system = start_system(followers=PEOPLE)
    system.env["BROADCAST_COOLING_OFF"] = "60s above many"

    done = system.broadcast("list", status=2)

    assert "BROADCAST_COOLING_OFF must be 0, or a duration up to 5m" in done.stderr
    del system.env["BROADCAST_COOLING_OFF"]
