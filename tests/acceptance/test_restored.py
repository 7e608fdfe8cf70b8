"""A database that was restored from a backup, copied or moved: nothing is sent a second time."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.rules.campaigns.launches import LaunchState, Missed, Policy
from models.engine import open_engine
from models.ledger.gates import restores
from tests.acceptance import test_campaigns as campaigns
from tests.kit import copies
from tests.kit.terminal import typed
from tests.kit.wait import until
from tests.servers.fixtures import DATABASES
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FOLLOWERS, BATCHES = 1_000, 10


def on(first: str) -> pytest.MarkDecorator:
    """Run a test on one database, and by `make prove` on the others."""
    each = [
        pytest.param(kind, marks=[] if kind == first else pytest.mark.prove) for kind in DATABASES
    ]
    return pytest.mark.parametrize("database_url", each, indirect=True)


ONCE = {"delivered_distinct": FOLLOWERS, "deliveries": FOLLOWERS, "delivered_max": 1, "doubled": 0}


@pytest.fixture
def begun(database_url: str, start_system: StartSystem) -> tuple[System, str]:
    """A broadcast of which three calls or more were made, when everything was killed."""
    system = start_system(
        followers=FOLLOWERS,
        latency_ms=150,
        database_url=database_url,
        BROADCAST_BATCH_SIZE=str(FOLLOWERS // BATCHES),
        BROADCAST_WAIT_SCALE="0.01",
    )
    told = system.send(system.simulator.openids(FOLLOWERS), "--text", "once")
    run(system)
    until_called(system, 3)
    system.kill_all()
    return system, told["id"]


def until_called(system: System, count: int) -> None:
    until(lambda: len(system.simulator.mass_calls()) >= count, 20, f"{count} mass calls")


def run(system: System) -> None:
    system.worker()
    system.beat()


def until_closed(system: System) -> None:
    """Wait until the lanes of the system's database are closed, and said to be."""
    engine = open_engine(system.env["DATABASE_URL"])
    try:
        until(lambda: restores.are_lanes_closed(engine), 30, "the lanes to be closed")
    finally:
        engine.dispose()
    told = system.broadcast("accounts", status=None)
    assert told.returncode in {0, 1}, told.stderr
    assert "broadcast restored" in told.stdout
    as_json = system.broadcast("accounts", "--json", status=None).stdout.splitlines()[-1]
    assert [one["restored"] is None for one in json.loads(as_json)["accounts"]] == [False]


def causes(system: System, broadcast_id: str) -> set[str]:
    """What keeps a broadcast."""
    told = json.loads(
        system.broadcast("status", broadcast_id, "--json", status=None).stdout.splitlines()[-1]
    )
    return {one["cause"] for one in told["blockers"]}


@pytest.mark.prove
@on("mariadb")
def test_a_copy_beside_the_original_makes_no_call(
    begun: tuple[System, str], tmp_path: Path
) -> None:
    system, broadcast_id = begun
    copy = copies.copied(system.database_url, "staging")
    calls = len(system.simulator.mass_calls())
    original = dict(system.env)
    with Valkey() as redis:
        system.env |= {"DATABASE_URL": copy, "REDIS_URL": redis.url}
        run(system)
        until_closed(system)
        shown = system.broadcast("restored", status=1).stdout
        system.kill_all()

    assert "the database is another one" in shown
    assert len(system.simulator.mass_calls()) == calls
    system.env = original
    run(system)
    system.until_state(broadcast_id, "completed")
    assert system.simulator.ledger() == ONCE


@on("sqlite")
def test_a_restored_backup_repeats_what_had_begun_and_holds_the_rest(
    begun: tuple[System, str],
) -> None:
    system, broadcast_id = begun
    backup = copies.copied(system.database_url, "backup")
    of = datetime.now(UTC)
    run(system)
    system.until_state(broadcast_id, "completed")
    system.kill_all()
    system.engine.dispose()
    calls = len(system.simulator.mass_calls())

    copies.restored(backup, system.database_url)
    run(system)
    until_closed(system)
    assert causes(system, broadcast_id) >= {"database_restored"}
    assert system.broadcast("unhalt", status=None).returncode == 0
    resumed = system.broadcast("resume", broadcast_id, status=None).stdout
    (system.folder / "list.txt").write_text("\n".join(system.simulator.openids(9)), "ascii")
    asked = typed(
        "broadcast send --openids list.txt --text new",
        folder=system.folder,
        environment={**os.environ, **system.env},
        answers=["n"],
    ).text
    for text in (resumed, asked):
        assert ("broadcast restored" in text, "unhalt" in text) == (True, False), text
    assert len(system.simulator.mass_calls()) == calls

    shown = system.broadcast("restored", status=1).stdout
    assert ("--since" in shown, "--moved" in shown) == (True, False)
    wrong = system.broadcast("restored", "--since", "foo", status=2).stderr
    assert "--since “foo” is not a time" in wrong
    unasked = system.broadcast("restored", "--since", of.isoformat(), status=2).stderr
    assert "repeat the command with --yes" in unasked
    assert causes(system, broadcast_id) >= {"database_restored"}
    told = system.broadcast("restored", "--since", of.isoformat(), "--yes").stdout
    assert "made after the backup are gone" in told
    assert "calls were made, and this database knows" in told
    assert "nothing to answer" in system.broadcast("restored", "--moved").stdout
    until(lambda: not unknown(system, broadcast_id), 30, "what had begun to be settled")
    assert causes(system, broadcast_id) == {"maybe_sent_since"}
    assert system.simulator.ledger() == ONCE
    refused = system.broadcast("resume", broadcast_id, status=2)
    assert "may have been sent before that" in refused.stderr
    assert f"broadcast resume {broadcast_id} --yes" in refused.stderr
    declined = typed(
        f"broadcast resume {broadcast_id}",
        folder=system.folder,
        environment={**os.environ, **system.env},
        answers=["n"],
    )
    assert "get it twice. Resume?" in " ".join(declined.text.split())
    assert causes(system, broadcast_id) == {"maybe_sent_since"}


@pytest.mark.prove
@on("sqlite")
def test_what_was_cancelled_after_a_backup_stays_unsent_though_nothing_was_called_since(
    database_url: str, start_system: StartSystem
) -> None:
    system = start_system(followers=100, database_url=database_url)
    people = system.simulator.openids(100)
    run(system)
    system.until_state(system.send(people[:10], "--text", "first")["id"], "completed")
    at = datetime.now(UTC) + timedelta(seconds=30)
    wrong = system.send(people[10:20], "--text", "wrong", "--at", at.isoformat())["id"]
    system.kill_all()
    backup = copies.copied(system.database_url, "backup")
    before = noted(system)
    run(system)
    system.broadcast("cancel", wrong, "--yes")
    until(lambda: noted(system) > before, 30, "a worker to note that it is at work")
    system.kill_all()
    system.engine.dispose()

    copies.restored(backup, system.database_url)
    run(system)
    until_closed(system)

    shown = system.broadcast("restored", status=1).stdout
    assert ("at work on this database" in shown, "--moved" in shown) == (True, False)
    refused = system.broadcast("restored", "--moved", "--yes", status=2)
    assert "it is no move" in refused.stderr
    system.broadcast("restored", "--since", "today 00:00", "--yes")
    until(lambda: datetime.now(UTC) > at + timedelta(seconds=5), 90, "the time of the broadcast")
    assert causes(system, wrong) == {"maybe_sent_since"}
    assert len(system.simulator.mass_calls()) == 1


def noted(system: System) -> int:
    """Return how often workers noted that they are at work."""
    return restores.facts(system.engine).notes


def unknown(system: System, broadcast_id: str) -> list[Any]:
    """Batches that may have been sent."""
    return [
        line
        for line in system.report(broadcast_id).batch_list
        if line.state.value in {"unknown", "calling"}
    ]


@on("postgresql")
def test_redis_emptied_in_the_middle_of_a_send_asks_nobody_and_loses_nothing(
    begun: tuple[System, str],
) -> None:
    system, broadcast_id = begun
    run(system)
    before = len(system.simulator.mass_calls())
    until_called(system, before + 2)
    system.valkey.flushall()

    report = system.until_state(broadcast_id, "completed")

    assert system.simulator.ledger() == ONCE
    assert not [gate for gate in report.gates if gate.kind == "restored"]
    assert "restored" not in system.broadcast("accounts").stdout


@on("sqlite")
def test_a_first_broadcast_that_no_worker_had_seen_in_the_backup_is_not_sent_again(
    database_url: str, start_system: StartSystem
) -> None:
    system = start_system(
        followers=200,
        database_url=database_url,
        BROADCAST_BATCH_SIZE="20",
        BROADCAST_WAIT_SCALE="0.01",
    )
    run(system)
    until(lambda: restores.facts(system.engine).notes, 30, "a worker at work")
    system.kill_all()
    told = system.send(system.simulator.openids(200), "--text", "first")
    backup = copies.copied(system.database_url, "backup")
    run(system)
    system.until_state(told["id"], "completed")
    system.kill_all()
    system.engine.dispose()

    system.simulator.set_switches(clientmsgid_window_s=1)
    system.valkey.flushall()
    copies.restored(backup, system.database_url)
    run(system)

    until_closed(system)
    assert len(system.simulator.mass_calls()) == 10
    assert system.simulator.ledger()["doubled"] == 0


def test_a_moved_database_goes_on_when_a_person_says_so(
    start_system: StartSystem, tmp_path: Path
) -> None:
    system = start_system(followers=100, latency_ms=150, BROADCAST_BATCH_SIZE="10")
    told = system.send(system.simulator.openids(100), "--text", "moved")
    run(system)
    until_called(system, 3)
    for process in system.processes:
        process.stop(timeout_s=30)
    system.engine.dispose()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in tmp_path.glob("broadcast.db*"):
        # As to another volume: the file there is another one.
        shutil.copy(file, moved)
        file.unlink()
    system.env["DATABASE_URL"] = f"sqlite:///{moved / 'broadcast.db'}"
    run(system)
    until_closed(system)

    system.broadcast("restored", "--moved", "--yes")

    until(lambda: system.simulator.ledger()["deliveries"] == 100, 30, "the rest to be sent")
    assert system.simulator.ledger()["delivered_max"] == 1
    assert told["id"] in system.broadcast("list").stdout


@pytest.mark.prove
def test_what_was_due_in_a_restored_database_is_held_whatever_missed_says_and_the_next_is_sent_once(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=100, BROADCAST_WAIT_SCALE="0.01")
    people = system.simulator.openids(100)
    run(system)
    system.until_state(system.send(people, "--text", "before")["id"], "completed")
    system.kill_all()
    backup, of = copies.copied(system.database_url, "backup"), datetime.now(UTC)
    run(system)
    system.until_state(system.send(people, "--text", "after")["id"], "completed")
    system.kill_all()
    system.engine.dispose()
    calls = len(system.simulator.mass_calls())

    copies.restored(backup, system.database_url)
    said = campaigns.template(campaigns.of_file(system, people))
    schedule = campaigns.soon(6)
    due = [
        campaigns.add(system, missed.value, said, schedule=schedule, policy=Policy(missed=missed))
        for missed in Missed
    ]
    run(system)
    until_closed(system)
    until(lambda: schedule.at is not None and datetime.now(UTC) > schedule.at, 30, "its time")
    assert [campaigns.launches(system, one) for one in due] == [[], [], []]
    assert "\n    broadcast restored" in system.broadcast("campaigns", "list").stderr
    refused = system.broadcast("campaigns", "run", "skip", "--yes", status=2)
    assert "`broadcast restored`" in refused.stderr
    system.broadcast("restored", "--since", of.isoformat(), "--yes")

    for campaign in due:
        held = campaigns.until_launch(system, campaign, 1, LaunchState.HELD)
        assert held.reason is not None
        assert held.reason.id == "launch.restored"
    assert len(system.simulator.mass_calls()) == calls
    following = campaigns.add(system, "next", said)
    sent = campaigns.until_launch(system, following, 1, LaunchState.LAUNCHED)
    campaigns.until_sent(system, sent)
    assert len(system.simulator.mass_calls()) == calls + 1
