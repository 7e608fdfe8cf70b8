"""The promise, on the real command line with real workers; the simulator's ledger is the truth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from broadcast.rules.states import BatchState
from models.ledger.views import broadcast_reports
from tests.acceptance.conftest import sets_of
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import patiently, until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.simulator import SimulatedAccount
    from tests.servers.valkey import Valkey

ONCE = {"delivered_max": 1, "doubled": 0}
#: 60 s become 0.6 s.
FAST = "0.01"


def test_a_lost_reply_is_asked_again_with_the_same_key_and_nobody_gets_it_twice(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=1_000, BROADCAST_BATCH_SIZE="300", BROADCAST_WAIT_SCALE=FAST)
    system.worker()
    system.simulator.fault("drop", when="after", path=MASS_SEND, skip=1)

    told = system.send(system.simulator.openids(1_000), "--wait")

    assert told["state"] == "completed"
    assert told["recipients"]["accepted"] == 1_000
    assert told["calls"] == 5
    assert system.simulator.ledger() == {
        "delivered_distinct": 1_000,
        "deliveries": 1_000,
        **ONCE,
    }
    keys = [call["clientmsgid"] for call in system.simulator.mass_calls()]
    assert keys[1] == keys[2]
    assert len(set(keys)) == 4


def test_a_reply_lost_before_the_batch_was_taken_is_sent_by_the_repeat(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=400, BROADCAST_BATCH_SIZE="100", BROADCAST_WAIT_SCALE=FAST)
    system.worker()
    system.simulator.fault("drop", when="before", path=MASS_SEND, skip=2)

    told = system.send(system.simulator.openids(400), "--wait")

    assert told["state"] == "completed"
    assert system.simulator.ledger() == {"delivered_distinct": 400, "deliveries": 400, **ONCE}


def test_two_workers_and_four_broadcasts_never_have_two_calls_of_one_account_in_flight(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2_000, accounts=2, latency_ms=60, BROADCAST_BATCH_SIZE="200")
    one, two = system.simulator.accounts
    sent = [
        system.send(
            system.simulator.openids(2_000, appid=account.appid),
            "--account",
            account.name,
            "--text",
            text,
        )
        for account, text in [(one, "a"), (two, "b"), (one, "c"), (one, "d")]
    ]
    # All of it waits in the broker, so that both workers begin with everything at once.
    for _ in range(2):
        system.worker()
    for told in sent:
        system.until_state(told["id"], "completed", timeout_s=60)

    assert system.simulator.max_in_flight(one.appid) == 1
    assert system.simulator.max_in_flight(two.appid) == 1
    assert system.simulator.max_accounts_in_flight() == 2
    assert system.simulator.ledger(one.appid)["deliveries"] == 6_000
    assert system.simulator.ledger(one.appid)["delivered_max"] == 3
    assert system.simulator.ledger(two.appid) == {
        "delivered_distinct": 2_000,
        "deliveries": 2_000,
        **ONCE,
    }


@pytest.mark.prove
def test_two_slow_accounts_take_hardly_longer_than_one(start_system: StartSystem) -> None:
    system = start_system(followers=100, accounts=2, latency_ms=1_000, BROADCAST_BATCH_SIZE="10")
    one, two = system.simulator.accounts

    def span(*accounts: SimulatedAccount) -> float:
        """Send to each account, then start a worker: seconds from first to last call."""
        sent = [
            system.send(
                system.simulator.openids(100, appid=account.appid),
                "--account",
                account.name,
                "--text",
                f"{len(accounts)}",
            )["id"]
            for account in accounts
        ]
        worker = system.worker()
        for told in sent:
            system.until_state(told, "completed", timeout_s=40)
        # Killed, it could leave its lease behind, and no beat is there to sweep.
        worker.stop(timeout_s=30)
        calls = system.simulator.mass_calls()[-10 * len(accounts) :]
        return float(max(c["end"] for c in calls) - min(c["start"] for c in calls))

    alone = span(one)
    together = span(one, two)

    assert together < 1.2 * alone


def test_a_worker_killed_in_the_middle_is_followed_by_another_within_15_seconds(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=300_000, latency_ms=100)
    system.simulator.change_account(daily_limit=100_000, calls_per_minute=0)
    system.beat()
    worker = system.worker(BROADCAST_BATCH_SIZE="10000")
    told = system.send(system.simulator.openids(300_000))
    until(lambda: len(system.simulator.mass_calls()) >= 10, 30, "ten calls")

    worker.kill()
    killed_at = time.time()
    before = len(system.simulator.mass_calls())
    system.worker()
    until(lambda: len(system.simulator.mass_calls()) > before, 20, "the next call")
    recovered_s = time.time() - killed_at
    report = system.until_state(told["id"], "completed", timeout_s=60)

    assert recovered_s < patiently(15)
    print(f"next call {recovered_s:.1f} s after the kill")
    assert sets_of(report) == {"accepted": 300_000}
    assert system.simulator.ledger() == {
        "delivered_distinct": 300_000,
        "deliveries": 300_000,
        **ONCE,
    }


def test_an_emptied_redis_costs_time_and_nothing_else(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=2_000, latency_ms=50, BROADCAST_BATCH_SIZE="50")
    system.beat()
    system.worker()
    told = system.send(system.simulator.openids(2_000))
    until(lambda: len(system.simulator.mass_calls()) >= 5, 30, "five calls")

    valkey.flushall()
    report = system.until_state(told["id"], "completed", timeout_s=60)

    assert sets_of(report) == {"accepted": 2_000}
    assert system.simulator.ledger()["delivered_max"] == 1


def test_redis_away_in_the_middle_of_a_lane_is_waited_for(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=1_000, latency_ms=50, BROADCAST_BATCH_SIZE="20")
    system.beat()
    system.worker()
    told = system.send(system.simulator.openids(1_000))
    until(lambda: len(system.simulator.mass_calls()) >= 5, 30, "five calls")

    valkey.kill()
    valkey.revive()
    report = system.until_state(told["id"], "completed", timeout_s=90)

    assert sets_of(report) == {"accepted": 1_000}
    assert system.simulator.ledger()["doubled"] == 0


def test_a_broadcast_stored_while_the_broker_was_away_is_woken_for_by_the_sweep(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=100)
    valkey.kill()
    file = system.folder / "list.txt"
    file.write_text("\n".join(system.simulator.openids(100)), encoding="ascii")

    done = system.broadcast("send", "--openids", file, "--text", "您好", "--key", "k")
    assert done.stderr.strip()
    valkey.revive()
    system.beat()
    system.worker()
    [told] = broadcast_reports.reports(system.engine)
    report = system.until_state(told.id, "completed", timeout_s=40)

    assert sets_of(report) == {"accepted": 100}


def test_bad_recipients_are_found_by_halving_and_the_rest_gets_it(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=64, BROADCAST_BATCH_SIZE="64", BROADCAST_SPLIT_DEPTH="4")
    system.worker()
    openids = system.simulator.openids(64)
    system.simulator.fault("errcode", errcode=40003, when="before", path=MASS_SEND, count=3)

    told = system.send(openids, "--wait", status=0)

    assert told["recipients"]["accepted"] == 64
    assert system.simulator.ledger()["delivered_max"] == 1
    states = [line.state for line in system.report(told["id"]).batch_list]
    assert states.count(BatchState.SPLIT) == 3
    assert len(states) - states.count(BatchState.SPLIT) == 4
