"""Backups of any moment of a send, restored after any other: nobody gets it twice."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_restored import run, unknown, until_called, until_closed
from tests.kit import copies
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

FOLLOWERS, BATCHES = 600, 12
SEEDS = [
    pytest.param(seed, marks=[] if seed == 1 else pytest.mark.prove) for seed in range(20)
]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_gets_twice_what_a_restored_database_sends_on(
    start_system: StartSystem, seed: int
) -> None:
    chance = random.Random(seed)
    system = start_system(
        followers=FOLLOWERS, latency_ms=120,
        BROADCAST_BATCH_SIZE=str(FOLLOWERS // BATCHES), BROADCAST_WAIT_SCALE="0.01",
    )  # fmt: skip
    people = system.simulator.openids(FOLLOWERS)
    broadcast_id = system.send(people, "--text", "once")["id"]
    run(system)
    until_called(system, chance.randint(1, BATCHES // 2))
    system.kill_all()
    backup, of = copies.copied(system.database_url, "backup"), datetime.now(UTC)

    if seed % 2:
        # The rest is cut anew, under other keys.
        system.broadcast("suppress", "add", *chance.sample(people, 60), "--why", "asked")
        system.simulator.add_followers([f"oNew{n:024d}" for n in range(50)])
    run(system)
    until_called(system, len(system.simulator.mass_calls()) + chance.randint(1, 4))
    system.kill_all()
    system.engine.dispose()
    calls = len(system.simulator.mass_calls())

    copies.restored(backup, system.database_url)
    run(system)
    until_closed(system)
    assert len(system.simulator.mass_calls()) == calls
    system.broadcast("restored", "--since", of.isoformat(), "--yes")
    until(lambda: not unknown(system, broadcast_id), 30, "what had begun to be settled")

    report = system.report(broadcast_id)
    assert system.simulator.ledger()["delivered_max"] == 1
    assert report.recipients["accepted"] == sum(
        line.size or 0 for line in report.batch_list if line.msg_id is not None
    )
    system.broadcast("cancel", broadcast_id, "--yes", status=None)
