"""A broadcast over several days: as many batches as the day has calls, the rest when it turned."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from broadcast import day
from broadcast.attempts import Reason
from broadcast.waits import NEAR_TURN
from models.ledger import reports
from tests.acceptance.conftest import sets_of
from tests.kit.ledger import pass_time
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

CALLS_A_DAY = 3
#: Three days: 3 + 3 + 1.
BATCHES = 7
SIZE = 10
#: A day, and what the wait adds to the turn, for the two clocks may differ.
A_DAY = timedelta(days=1, minutes=30)


def let_a_day_pass(system: System) -> None:
    """Pass a day here and at WeChat."""
    system.simulator.shift_clock(A_DAY.total_seconds())
    pass_time(system.engine, A_DAY)


def see_that_it_waits_for_the_turn(system: System, broadcast_id: str) -> None:
    """The lane waits until WeChat's day turns, and the command says so."""
    until(lambda: system.report(broadcast_id).lane.not_before, 30, "the wait for the day after")
    lane, now = system.report(broadcast_id).lane, datetime.now(day.SHANGHAI)
    assert lane.wait_reason is Reason.QUOTA_TODAY
    assert lane.not_before is not None
    goes_on = lane.not_before.astimezone(day.SHANGHAI)
    if now - day.start(now) < NEAR_TURN:
        # So near to the turn it is asked again in minutes, for the two clocks may differ.
        assert now < goes_on < now + NEAR_TURN
    else:
        assert day.turn(now) <= goes_on <= day.turn(now) + timedelta(minutes=30)
    assert f"{goes_on:%H:%M}" in system.broadcast("status", broadcast_id).stdout


def batches_of(system: System, broadcast_id: str) -> dict[str, int]:
    """The figures of `broadcast status ID --json` that are not zero."""
    told = json.loads(system.broadcast("status", broadcast_id, "--json").stdout)
    assert told["state"] == "sending"
    return {name: count for name, count in told["batches"].items() if count}


def test_a_broadcast_larger_than_its_day_goes_on_the_days_after(start_system: StartSystem) -> None:
    system = start_system(followers=BATCHES * SIZE, BROADCAST_BATCH_SIZE=str(SIZE))
    system.simulator.change_account(daily_limit=CALLS_A_DAY)
    openids = system.simulator.openids(BATCHES * SIZE)
    system.worker()
    system.beat()

    told = system.send(openids, "--spread-days")

    see_that_it_waits_for_the_turn(system, told["id"])
    assert batches_of(system, told["id"]) == {"total": 7, "accepted": 3, "waiting": 4}
    assert len(system.simulator.jobs()) == 3

    let_a_day_pass(system)
    system.simulator.wait_for_jobs(6, timeout_s=40)
    see_that_it_waits_for_the_turn(system, told["id"])
    figures = batches_of(system, told["id"])
    assert (figures["total"], figures["waiting"]) == (7, 1)
    assert len(system.simulator.jobs()) == 6

    let_a_day_pass(system)
    report = system.until_state(told["id"], "completed", timeout_s=40)
    assert sets_of(report) == {"accepted": BATCHES * SIZE}
    assert system.simulator.delivered(openids) == dict.fromkeys(openids, 1)


def test_without_the_word_nothing_of_what_exceeds_the_day_is_stored(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=BATCHES * SIZE, BROADCAST_BATCH_SIZE=str(SIZE))
    system.simulator.change_account(daily_limit=CALLS_A_DAY)
    file = system.folder / "list.txt"
    file.write_text("\n".join(system.simulator.openids(BATCHES * SIZE)), encoding="ascii")
    system.broadcast("token", "refresh")

    done = system.broadcast("send", "--openids", file, "--text", "a", status=None)

    assert done.returncode == 2
    assert "--spread-days" in done.stderr
    assert reports.reports(system.engine) == []
