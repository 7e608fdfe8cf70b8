"""The same send twice, a send for later, and a human's or WeChat's stop: nobody gets it twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broadcast import day, names
from broadcast.rules.calls.waits import NEAR_TURN
from broadcast.rules.states import Reason
from models.ledger.views import broadcast_reports
from tests.acceptance.conftest import sets_of
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FOREVER = 100_000


def stored(system: System) -> list[str]:
    """The ids of all broadcasts that are stored."""
    return [told.id for told in broadcast_reports.reports(system.engine)]


def test_the_same_send_twice_is_refused_with_the_first_id_unless_again_is_said(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=10)
    openids = system.simulator.openids(10)
    first = system.send(openids)

    refused = system.send(openids[::-1], status=2)

    assert first["id"] in refused["error"]
    assert "--again" in refused["error"]
    assert stored(system) == [first["id"]]
    system.send(openids[:9])
    system.send(openids, "--text", "something else")
    again = system.send(openids, "--again")
    assert again["id"] != first["id"]
    assert len(stored(system)) == 4


def test_the_same_key_and_body_is_the_same_broadcast_and_another_body_is_refused(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=10)
    openids = system.simulator.openids(10)
    first = system.send(openids, "--key", "june")

    same = system.send([*openids[::-1], openids[0]], "--key", "june")
    content = system.send(openids, "--key", "june", "--text", "another text", status=2)
    audience = system.send(openids[:5], "--key", "june", status=2)

    assert same["id"] == first["id"]
    for refused in (content, audience):
        assert first["id"] in refused["error"]
        assert "june" in refused["error"]
    assert stored(system) == [first["id"]]


def test_the_same_key_sends_once_even_after_the_broadcast_is_over(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=10)
    system.worker()
    openids = system.simulator.openids(10)
    first = system.send(openids, "--key", "june", "--wait")

    second = system.send(openids, "--key", "june", "--wait")

    assert first["state"] == second["state"] == "completed"
    assert first["id"] == second["id"]
    assert system.simulator.ledger()["deliveries"] == 10


def test_a_dry_run_says_whether_the_plan_fits_and_stores_nothing(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=100, BROADCAST_BATCH_SIZE="10")
    openids = system.simulator.openids(100)
    system.simulator.change_account(daily_limit=10)

    fits = system.send(openids, "--dry-run")
    system.simulator.change_account(daily_limit=9)
    too_many = system.send(openids, "--dry-run", status=1)
    refused = system.send(openids, status=2)

    assert fits["plan"]["fit"] == "fits"
    assert fits["batches"] == {"total": 10}
    assert too_many["plan"] == {"fit": "too_many", "calls": 10, "free": 9, "days": 2}
    assert "--spread-days" in refused["error"]
    assert stored(system) == []
    assert system.simulator.mass_calls() == []


def test_a_send_for_later_is_launched_by_beat_and_not_before_its_time(
    start_system: StartSystem, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    settings: dict[str, Any] = clock.settings
    system = start_system(followers=10, **settings)
    clock.follow(system)
    worker = system.worker()
    at = datetime.now(UTC) + timedelta(hours=1)

    told = system.send(system.simulator.openids(10), "--at", at.isoformat())

    # Nobody but beat looks for what is due.
    assert told["state"] == "scheduled"
    system.beat()
    worker.wait_for_line(f"Task {names.LAUNCH_DUE}[", timeout_s=40)
    assert system.report(told["id"]).state == "scheduled"
    assert system.simulator.mass_calls() == []
    clock.put(system, at)
    system.until_state(told["id"], "completed", timeout_s=40)


def test_an_account_that_wechat_stops_says_why_and_goes_on_after_the_one_command(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30, BROADCAST_BATCH_SIZE="10")
    system.worker()
    system.beat()
    system.simulator.change_account(permission_errcode=48001)

    told = system.send(system.simulator.openids(30), "--wait", status=1)

    assert told["state"] == "held"
    assert len(system.simulator.mass_calls()) == 1
    shown = system.broadcast("status", told["id"]).stdout
    assert "48001" in shown
    assert "broadcast unhalt --account default" in shown
    assert sets_of(system.report(told["id"])) == {"waiting": 30}
    system.simulator.change_account(permission_errcode=None)
    assert "default" in system.broadcast("unhalt").stdout
    report = system.until_state(told["id"], "completed", timeout_s=30)
    assert sets_of(report) == {"accepted": 30}
    assert system.simulator.ledger()["delivered_max"] == 1


def test_a_day_without_calls_left_is_told_with_the_hour_when_it_goes_on(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30, BROADCAST_BATCH_SIZE="10")
    system.worker()
    system.simulator.fault(
        "errcode", errcode=45009, when="before", path=MASS_SEND, skip=1, count=FOREVER
    )
    openids = system.simulator.openids(30)
    if datetime.now(UTC) - day.start(datetime.now(day.SHANGHAI)) < NEAR_TURN:
        # So near to the turn it is asked again in minutes, for the two clocks may differ.
        told = system.send(openids)
        until(lambda: system.report(told["id"]).lane.not_before, 20, "the wait")
        until_then = system.report(told["id"]).lane.not_before
        assert until_then is not None
        assert until_then - datetime.now(UTC) < NEAR_TURN
        return

    file = system.folder / "list.txt"
    file.write_text("\n".join(openids), encoding="ascii")
    done = system.broadcast("send", "--openids", file, "--text", "a", "--wait", "--json", status=1)

    told = json.loads(done.stdout.splitlines()[-1])
    report = system.report(told["id"])
    assert report.lane.wait_reason is Reason.QUOTA_TODAY
    assert report.lane.not_before is not None
    turn = report.lane.not_before.astimezone(day.SHANGHAI)
    assert turn - timedelta(minutes=30) <= day.turn(datetime.now(day.SHANGHAI)) <= turn
    assert f"{turn:%H:%M}" in done.stderr
    assert f"broadcast watch {told['id']}" in done.stderr
    assert told["recipients"] | {"accepted": 10, "waiting": 20} == told["recipients"]


def test_the_rest_of_a_broadcast_goes_out_by_itself_when_the_day_has_turned(
    start_system: StartSystem,
) -> None:
    # At this scale the rest of any day is at most four seconds.
    system = start_system(followers=30, BROADCAST_BATCH_SIZE="10", BROADCAST_WAIT_SCALE="0.00004")
    system.worker()
    system.beat()
    system.simulator.fault("errcode", errcode=45009, when="before", path=MASS_SEND, skip=1)

    told = system.send(system.simulator.openids(30))

    report = system.until_state(told["id"], "completed", timeout_s=30)
    assert sets_of(report) == {"accepted": 30}
    assert [c["errcode"] for c in system.simulator.mass_calls()].count(45009) == 1
    assert system.simulator.ledger()["delivered_max"] == 1
