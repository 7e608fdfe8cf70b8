"""Side by side: accounts that do not feel each other's trouble, and broadcasts in their order."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from sqlalchemy import select

from broadcast import names
from broadcast.rules.accounts import Account
from broadcast.rules.accounts import from_file as accounts_of
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, Reason
from broadcast.views.json_objects import utc
from models.every_table import Batch
from producer.waking import CeleryWaker
from tests.acceptance.conftest import sets_of
from tests.kit.crowd import APPIDS, EMPTY, HALTED, REFUSED, SIZE, SLOW, WELL, crowd
from tests.kit.direct import submit
from tests.kit.endpoints import MASS_GET, MASS_SEND, QUOTA
from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from broadcast.rules.reports import BatchLine
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

BATCHES = 5
WAKES = 8


def test_sixteen_accounts_finish_while_a_slow_one_is_in_its_first_calls_and_three_stand_still(
    tmp_path: Path,
) -> None:
    with crowd(tmp_path, batches=BATCHES, latency_ms=20) as here:
        simulator, report = here.system.simulator, here.system.report
        # Less than the longest time that a call may take.
        troubled = here.make_trouble(slow_s=20)

        stored = here.begin(WELL)
        here.finish(stored, timeout_s=60)

        assert here.calls(SLOW) <= 2
        for name in WELL:
            openids = here.openids(name)
            delivered = simulator.delivered(openids, appid=APPIDS[name])
            assert delivered == dict.fromkeys(openids, 1)
            assert here.calls(name) == BATCHES
            assert simulator.max_in_flight(APPIDS[name]) == 1
        # None of the four has lost anybody.
        for broadcast_id in troubled.values():
            assert sum(sets_of(report(broadcast_id)).values()) == SIZE * BATCHES
        assert here.calls(REFUSED) == here.calls(EMPTY) == 1
        assert here.calls(HALTED) == 0
        stop = report(troubled[REFUSED]).lane.gate(GateKind.STOP)
        assert stop is not None
        assert stop.errcode == 48001
        assert report(troubled[EMPTY]).lane.wait_reason is Reason.QUOTA_TODAY
        assert report(troubled[HALTED]).lane.gate(GateKind.HALT) is not None


def test_an_account_whose_quota_is_slow_to_get_takes_one_thread_however_often_it_is_woken_for(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2 * SIZE)
    worker, line = system.worker(), Line(system)
    system.simulator.fault("slow", when="before", seconds=4, path=QUOTA)

    broadcast_id = line.store("slow")
    for _ in range(WAKES):
        line.wake(broadcast_id)

    system.until_state(broadcast_id, "completed", timeout_s=30)
    worker.wait_for_line(f"Task {names.PLAN}[", times=2 * WAKES)
    assert len(system.simulator.calls(path=QUOTA)) == 1
    assert system.simulator.ledger()["delivered_max"] == 1


def test_an_account_whose_results_are_slow_to_get_takes_one_thread_however_often_it_is_woken_for(
    start_system: StartSystem,
) -> None:
    # What a settler has taken is due for others again after 0.6 s.
    system = start_system(followers=2 * SIZE, BROADCAST_WAIT_SCALE="0.01")
    worker, line = system.worker(), Line(system)
    system.simulator.fault("slow", when="before", seconds=2, path=MASS_GET, count=2)
    broadcast_id = line.store("slow")
    line.wake(broadcast_id)
    system.until_state(broadcast_id, "completed", timeout_s=30)

    def asked() -> bool:
        line.wake_for(names.POLL_ACCOUNT, "default")
        states = {batch.state for batch in system.report(broadcast_id).batch_list}
        return states == {BatchState.FINISHED}

    until(asked, 30, "the results")
    assert worker.output.count(f"Task {names.POLL_ACCOUNT}[") > WAKES
    assert len(system.simulator.calls(path=MASS_GET)) == 2


def test_an_unknown_batch_goes_first_then_priority_then_age_and_what_is_paused_blocks_nobody(
    start_system: StartSystem,
) -> None:
    # The minute that 45066 asks for is six seconds.
    system = start_system(followers=4 * 2 * SIZE, BROADCAST_WAIT_SCALE="0.1")
    line = Line(system)
    # Halted, so that all of them are there when the lane begins.
    system.broadcast("halt")
    system.worker()
    old = line.submit("old")
    young = line.submit("young")
    important = line.submit("important", priority=5)
    paused = line.submit("paused", priority=9)
    system.broadcast("pause", paused)
    # Of the old one's first batch the reply is lost: it comes after the two important ones.
    system.simulator.fault("drop", path=MASS_SEND, skip=2)
    system.simulator.fault("errcode", errcode=45066, when="before", path=MASS_SEND, skip=3)
    system.broadcast("unhalt")
    system.beat()

    until(lambda: system.simulator.mass_calls(errcode=45066), 20, "the repeat")
    # While that batch waits for its next repeat, the most important of all is allowed to go on.
    system.broadcast("resume", paused)

    for broadcast_id in (old, young, important, paused):
        system.until_state(broadcast_id, "completed", timeout_s=30)
    assert line.order() == [
        important,
        important,
        old,
        old,
        old,
        paused,
        paused,
        old,
        young,
        young,
    ]
    assert system.simulator.ledger()["delivered_max"] == 1


def test_what_waits_behind_anothers_doubt_says_so_with_until_when_and_the_command(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2 * 2 * SIZE)
    line = Line(system)
    system.broadcast("halt")
    system.worker()
    doubtful, waits = line.submit("doubtful"), line.submit("waits")
    system.simulator.fault("errcode", errcode=45066, when="before", path=MASS_SEND)
    system.broadcast("unhalt")
    line.wake_for(names.SEND_BATCH, "default", doubtful)
    until(lambda: system.simulator.mass_calls(errcode=45066), 20, "the refusal")
    batch = until(lambda: _unknown(system, doubtful), 20, "its record")
    assert batch is not None
    assert batch.not_before is not None

    shown = system.broadcast("status", waits).stdout
    programs = system.broadcast("status", waits, "--json").stdout
    own = system.broadcast("status", doubtful).stdout

    assert f"batch 1 of broadcast {doubtful} may have been sent" in shown
    assert "To stop waiting, pause that broadcast" in shown
    assert f"    broadcast pause {doubtful}\n" in shown
    assert f"Follow it:\n    broadcast watch {doubtful}\n" in own
    told = json.loads(programs.splitlines()[-1])["blockers"]
    assert [one["cause"] for one in told] == ["unknown_first"]
    assert (told[0]["broadcasts"], told[0]["batch"]) == ([doubtful], 1)
    assert told[0]["until"] == utc(batch.not_before)

    system.broadcast("pause", doubtful)
    line.wake_for(names.SEND_BATCH, "default", waits)
    system.until_state(waits, "completed", timeout_s=30)


def _unknown(system: System, broadcast_id: str) -> BatchLine | None:
    lines = system.report(broadcast_id).batch_list
    return next((line for line in lines if line.state is BatchState.UNKNOWN), None)


def test_of_two_broadcasts_the_later_with_the_higher_priority_goes_first(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2 * SIZE)
    usual, important = system.simulator.openids(SIZE), system.simulator.openids(SIZE, start=SIZE)
    # Halted, so that both are there when the lane begins.
    system.broadcast("halt")
    system.worker()
    first = system.send(usual)
    second = system.send(important, "--priority", "7")
    ids = [first["id"], second["id"]]
    until(lambda: all(system.report(one).batches["total"] for one in ids), 20, "the plans")

    system.broadcast("unhalt")
    system.beat()

    [job], [later] = (
        [line.msg_id for line in system.until_state(one, "completed").batch_list] for one in ids
    )
    assert [one["msg_id"] for one in system.simulator.jobs()] == [later, job]
    assert system.simulator.delivered([*usual, *important]) == dict.fromkeys(
        [*usual, *important], 1
    )
    assert (first["priority"], second["priority"]) == (0, 7)


class Line:
    """The broadcasts of one account, each to two batches of its own followers."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.account: Account = accounts_of(system.folder / "accounts.toml")["default"]
        self.stored = 0

    def submit(self, key: str, *, priority: int = 0) -> str:
        """Store and plan a broadcast; return its id when it waits for its lane."""
        broadcast_id = self.store(key, priority=priority)
        self.wake(broadcast_id)
        until(lambda: self.system.report(broadcast_id).batches["total"] == 2, 20, "the plan")
        return broadcast_id

    def store(self, key: str, *, priority: int = 0) -> str:
        """Store a broadcast; return its id."""
        openids = self.system.simulator.openids(2 * SIZE, start=2 * SIZE * self.stored)
        self.stored += 1
        return submit(
            self.system.engine, self.account, openids, key=key, batch_size=SIZE, priority=priority
        )

    def wake(self, broadcast_id: str) -> None:
        """Ask the worker to plan it."""
        self.wake_for(names.PLAN, broadcast_id)

    def wake_for(self, task: str, *of: str) -> None:
        """Ask the worker to do something."""
        with contextlib.closing(CeleryWaker(self.system.valkey.url)) as waker:
            waker._send(task, list(of))

    def order(self) -> list[str]:
        """Whose batch each mass call was, in the order of the calls."""
        with self.system.engine.connect() as connection:
            rows = connection.execute(select(Batch.clientmsgid, Batch.broadcast_id)).all()
        owners = {row.clientmsgid: row.broadcast_id for row in rows}
        keys = [call["clientmsgid"] for call in self.system.simulator.mass_calls()]
        # A refusal before WeChat has read the body names none; it is the repeat in between.
        return [owners[key or keys[at - 1]] for at, key in enumerate(keys)]
