"""Backups of any moment of a send, restored after any other: nobody gets it twice."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from broadcast.rules.states import SHOWN_AT_REST
from tests.acceptance.test_restored import run, unknown, until_called, until_closed
from tests.kit import copies
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FOLLOWERS, BATCHES = 600, 12
NEW = [f"oNew{n:024d}" for n in range(50)]
SEEDS = range(20)


def send(system: System, text: str) -> str:
    """Send to the followers that the ledger knows; return the broadcast's id."""
    told = system.broadcast("send", "--followers", "--text", text, "--yes", "--json").stdout
    return str(json.loads(told.splitlines()[-1])["id"])


def got(system: System) -> dict[str, dict[str, int]]:
    """Return WeChat's totals of each text that was sent."""
    jobs = {job["content_digest"]: job["msg_id"] for job in system.simulator.jobs()}
    return {
        system.simulator.job(msg_id)["content"]["text"]["content"]: system.simulator.ledger(
            content=digest
        )
        for digest, msg_id in jobs.items()
    }


@pytest.mark.prove
@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_gets_twice_what_a_restored_database_sends_on(
    start_system: StartSystem, seed: int
) -> None:
    chance = random.Random(seed)
    system = start_system(
        followers=FOLLOWERS,
        latency_ms=300,
        BROADCAST_BATCH_SIZE=str(FOLLOWERS // BATCHES),
        BROADCAST_WAIT_SCALE="0.01",
    )
    people = system.simulator.openids(FOLLOWERS)
    system.broadcast("followers", "sync")
    once, then = send(system, "once"), send(system, "then")
    # Some backups have neither a call nor a plan.
    if before := chance.choice([0, *range(1, BATCHES // 2)]):
        run(system)
        until_called(system, before)
        system.kill_all()
    had_plan = bool(system.report(then).batch_list)
    backup, of = copies.copied(system.database_url, "backup"), datetime.now(UTC)

    if seed % 2:
        # The rest is cut anew, under other keys; what has no plan yet has other people, too.
        system.broadcast("suppress", "add", *chance.sample(people, 60), "--why", "asked")
        system.simulator.add_followers(NEW)
        system.broadcast("followers", "sync")
    run(system)
    until_called(system, len(system.simulator.mass_calls()) + chance.randint(1, 4))
    system.kill_all()
    system.engine.dispose()
    calls, shown = len(system.simulator.mass_calls()), got(system).get("then")

    copies.restored(backup, system.database_url)
    run(system)
    until_closed(system)
    assert len(system.simulator.mass_calls()) == calls
    system.broadcast("restored", "--since", of.isoformat(), "--yes")
    until(lambda: not unknown(system, once), 30, "what had begun to be settled")
    assert {one["delivered_max"] for one in got(system).values()} == {1}

    system.broadcast("cancel", once, "--yes", status=None)
    assert got(system).get("then") == shown
    if shown:
        # A busy machine was stopped late: WeChat's console shows the other one, too.
        system.broadcast("cancel", then, "--yes")
        return
    # It does not show the other one, so that a person lets it go, to those who follow by now.
    system.broadcast("followers", "sync")
    system.broadcast("resume", then, "--yes")
    system.until_state(then, *SHOWN_AT_REST)

    assert {one["delivered_max"] for one in got(system).values()} == {1}
    for name, broadcast_id in (("once", once), ("then", then)):
        report = system.report(broadcast_id)
        accepted = report.recipients["accepted"] or 0
        assert accepted == sum(
            line.size or 0 for line in report.batch_list if line.msg_id is not None
        )
        assert accepted <= got(system)[name]["deliveries"]
    is_planned_anew = bool(seed % 2) and not had_plan
    assert got(system)["then"]["deliveries"] == FOLLOWERS + len(NEW) * is_planned_anew
