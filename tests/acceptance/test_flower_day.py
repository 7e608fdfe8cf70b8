"""A day without a broadcast leaves Flower as it was: few rows, and what failed before is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broadcast import names
from tests.kit import foreign
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND, STABLE_TOKEN
from tests.kit.flower import Flower
from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]

DAY_MINUTES = 24 * 60
#: What beat wakes, each once in a minute of that day.
BEATEN: tuple[tuple[str, dict[str, object]], ...] = (
    (names.SWEEP, {}),
    (names.LAUNCH_DUE, {}),
    (names.POLL_RESULTS, {}),
    (names.READ_DRAFTS, {}),
    (names.REFRESH_TOKEN, {"only_expiring": True}),
)
#: New rows in that day, with nine broadcasts that stand. Before plans of a stopped account waited
#: there were 127 in its first hour, of two of them.
MOST = 60
#: By account, the errcode of its first call, or of its access_token.
REFUSED: dict[str, dict[str, Any]] = {
    "account1": {"path": MASS_SEND, "errcode": 45008, "count": 1},
    "account2": {"path": MASS_SEND, "errcode": 48001, "count": 1},
    "account3": {"path": STABLE_TOKEN, "errcode": 40125, "count": 100_000},
}


def plant(system: System) -> tuple[dict[str, str], list[str]]:
    """Let something stand of each account; return what fails, and what does not."""
    accounts = {one.name: one.appid for one in system.simulator.accounts}

    def send(name: str, *words: str) -> str:
        people = system.simulator.openids(6, appid=accounts[name])
        return str(system.send(people, "--account", name, *words)["id"])

    for name, fault in REFUSED.items():
        system.simulator.fault("errcode", appid=accounts[name], **fault)
    system.broadcast("halt", "--account", "account5")
    # Accepted, and its end is never known.
    good = [send("account4", "--wait"), send("account6", "--wait")]
    for job in system.simulator.jobs():
        system.simulator.force_job_status(job["msg_id"], "SENDING")
    system.simulator.change_account(accounts["account4"], whitelist=["192.0.2.1"])
    system.simulator.invalidate_token(accounts["account4"])
    failed = {name: send(name, "--text", "二") for name in accounts if name != "account6"}
    # Also to an account that stopped before, and to people whom WeChat alone knows.
    failed["stopped before"] = send("account2", "--text", "三")
    failed["of a tag"] = send("account3", "--text", "三", "--exclude", "tag:2")
    return failed, good


def red(flower: Flower, broadcast_id: str) -> list[str]:
    """Return what the red rows say that a search for a broadcast finds."""
    found = flower.json("tasks", search=broadcast_id).values()
    return [str(one["exception"]) for one in found if one["state"] == "FAILURE"]


def pass_a_day(system: System, clock: Clock) -> None:
    """Send what beat sends, minute after minute of the ledger's clock; each is done by the next."""
    client = system.valkey.client()
    with foreign.app_of(system.valkey.url) as app:
        for minute in range(DAY_MINUTES):
            if minute % 60 == 0:
                clock.put(system, datetime.now(UTC) + timedelta(minutes=minute))
            clock.shift(timedelta(minutes=minute))
            for task, words in BEATEN:
                app.send_task(task, kwargs=words, queue=names.QUEUE)
            until(
                lambda: not client.llen(names.QUEUE) and not client.hlen(names.UNACKED),
                60,
                "what was woken to be done",
                pause_s=0.005,
            )


def test_a_day_of_wakes_adds_few_rows_and_what_failed_before_is_found_after_a_restart(
    start_system: StartSystem, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    settings: dict[str, Any] = {
        "BROADCAST_BATCH_SIZE": "2",
        "BROADCAST_LANG": "zh",
        **clock.settings,
    }
    system = start_system(followers=6, accounts=6, **settings)
    clock.follow(system)
    system.worker()
    flower = Flower(system)
    beat = system.beat()
    failed, good = plant(system)
    said = {
        what: until(partial(red, flower, one), 60, f"a red row of {what}")
        for what, one in failed.items()
    }
    beat.kill()
    before = set(flower.json("tasks", limit="10000"))

    pass_a_day(system, clock)
    until(
        lambda: "STARTED" not in {one["state"] for one in flower.json("tasks").values()},
        20,
        "the end of each row",
    )
    flower.restart()

    after = flower.json("tasks", limit="10000")
    new = [one for uuid, one in after.items() if uuid not in before]
    assert len(new) <= MOST, [(one["name"], one["args"], one["result"]) for one in new]
    assert before <= after.keys()
    for what, broadcast_id in failed.items():
        again = red(flower, broadcast_id)
        assert set(said[what]) <= set(again), what
        assert len(again) <= (2 if what == "of a tag" else 1), again
        assert " → broadcast " in again[0]
    assert not [text for one in good for text in red(flower, one)]
