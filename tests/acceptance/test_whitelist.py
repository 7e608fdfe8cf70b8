"""WeChat's whitelist of addresses: one machine that is not on it stops nobody else.

Where it is the only machine, the account stops in WeChat's own words, which name the address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select

from broadcast import names
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.gates.gate import GateKind
from models.batch_tables import AttemptRow, GateRow
from models.ledger.steer import operator
from tests.kit import foreign
from tests.kit.listeners import EventListener
from tests.kit.wait import until
from tests.servers.proxy import TCPProxy
from worker.wake import MOST_FORWARDS

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.processes import RunningProcess
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

#: Where the second machine calls from: all of 127.0.0.0/8 is this machine, and WeChat sees which.
ELSEWHERE = "127.0.0.9"
REFUSED = "WeChat gives no access_token to this machine"


def another_machine(system: System, proxy: TCPProxy) -> RunningProcess:
    """A worker whose calls reach WeChat from an address that is not on the whitelist."""
    listed = (system.folder / "accounts.toml").read_text("utf-8")
    file = system.folder / "accounts-of-the-other.toml"
    url = f"http://{proxy.address}"
    file.write_text(listed.replace(system.simulator.url, url), encoding="utf-8")
    return system.worker(BROADCAST_ACCOUNTS_FILE=str(file))


def address(system: System) -> tuple[str, int]:
    """Where the simulator listens."""
    found = urlsplit(system.simulator.url)
    return found.hostname or "", found.port or 0


def stops(system: System) -> list[tuple[int | None, str | None]]:
    """Errcode and words of every stop that the account ever had."""
    query = select(GateRow.errcode, GateRow.errmsg).where(GateRow.kind == GateKind.STOP)
    with system.engine.connect() as connection:
        return [(errcode, words) for errcode, words in connection.execute(query)]


def refresh(system: System) -> None:
    """What beat does every hundred minutes."""
    with foreign.app_of(system.valkey.url) as app:
        app.send_task(names.REFRESH_TOKEN, queue=names.QUEUE)


def wake_last(system: System, sent: dict[str, Any]) -> None:
    """What a worker gets after all others have passed the wake on."""
    with foreign.app_of(system.valkey.url) as app:
        app.send_task(
            names.SEND_BATCH,
            args=[sent["account"], sent["id"]],
            kwargs={"forward_count": MOST_FORWARDS},
            queue=names.QUEUE,
        )


def test_a_machine_that_is_not_listed_sends_while_the_shared_token_lives_and_stops_nothing(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30)
    openids = system.simulator.openids(30)
    system.simulator.change_account(whitelist=["127.0.0.1"])
    assert system.broadcast("token", "refresh").returncode == 0
    with TCPProxy(address(system), source=ELSEWHERE) as proxy:
        worker = another_machine(system, proxy)
        refresh(system)
        worker.wait_for_line(REFUSED, timeout_s=30)

        sent = system.send(openids, "--text", "hello")

        system.until_state(sent["id"], "completed")
        assert stops(system) == []
        worker.kill()
    assert set(system.simulator.delivered(openids).values()) == {1}


def test_an_account_stops_when_no_machine_gets_a_token_and_goes_on_when_one_is_listed(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30)
    openids = system.simulator.openids(30)
    system.simulator.change_account(whitelist=["47.94.148.108"])
    with TCPProxy(address(system), source=ELSEWHERE) as proxy:
        another_machine(system, proxy)
        system.beat()
        sent = system.send(openids, "--text", "hello")

        until(lambda: stops(system), 60, "the account stops")
        [(errcode, words)] = stops(system)
        assert errcode == 40164
        assert ELSEWHERE in (words or "")

        system.simulator.change_account(whitelist=[ELSEWHERE])
        # At once, while the refusal is still remembered for every process.
        operator.unhalt(system.engine, sent["account"], who="ops")
        wake_last(system, sent)
        system.until_state(sent["id"], "completed")
        system.kill_all()
    assert set(system.simulator.delivered(openids).values()) == {1}


def test_a_machine_that_is_listed_takes_over_what_the_other_one_cannot_send(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30)
    openids = system.simulator.openids(30)
    system.simulator.change_account(whitelist=["127.0.0.1"])
    with TCPProxy(address(system), source=ELSEWHERE) as proxy:
        machines = [another_machine(system, proxy), system.worker(), system.beat()]

        ids = [system.send(openids, "--text", f"no. {n}")["id"] for n in range(4)]
        for one in ids:
            system.until_state(one, "completed")

        assert stops(system) == []
        assert [one.exit_status for one in machines] == [None, None, None]
        system.kill_all()
    assert set(system.simulator.delivered(openids).values()) == {4}


def unlist(system: System) -> None:
    """Take this machine off the whitelist; the shared token is in Redis still, and dead."""
    system.simulator.change_account(whitelist=["47.94.148.108"])
    system.simulator.invalidate_token()


def test_the_only_machine_stops_before_a_plan_in_the_words_that_name_its_address(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=30, BROADCAST_LANG="zh")
    openids = system.simulator.openids(30)
    assert system.broadcast("token", "refresh").returncode == 0
    unlist(system)
    with EventListener(valkey.url) as listener:
        system.worker()
        listener.wait_for("worker-heartbeat")
        system.beat()
        sent = system.send(openids, "--text", "hello")
        listener.wait_for("task-failed", timeout_s=60)

    (said,) = [one["exception"] for one in listener.events if one["type"] == "task-failed"]
    assert "40164 invalid ip 127.0.0.1" in said
    assert "IP 白名单" in said
    assert "→ broadcast unhalt --account default" in said
    assert [errcode for errcode, _ in stops(system)] == [40164]
    shown = system.broadcast("status", sent["id"], status=None).stdout
    assert "40164 invalid ip 127.0.0.1" in shown
    # A wake is one row of a monitor, however many workers passed it on.
    first: dict[str, str] = {}
    for one in listener.events:
        if one["type"] == "task-received":
            first.setdefault(one["uuid"], one["kwargs"])
    assert set(first.values()) == {"{}"}


def test_a_plan_that_waits_says_what_wechat_answered(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=2)
    system.simulator.change_account(whitelist=["47.94.148.108"])
    with EventListener(valkey.url) as listener:
        # Without beat nobody has asked before.
        system.worker()
        listener.wait_for("worker-heartbeat")
        system.send(system.simulator.openids(2))
        listener.wait_for("task-succeeded")

    [said] = [one["result"] for one in listener.events if one["type"] == "task-succeeded"]
    assert "'waits': True, 'errcode': 40164" in said


def test_the_only_machine_stops_between_two_calls_and_an_unhalt_goes_on_at_once(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30, BROADCAST_BATCH_SIZE="2")
    openids = system.simulator.openids(30)
    system.worker()
    system.beat()
    sent = system.send(openids, "--text", "hello")
    system.simulator.wait_for_jobs(2)
    unlist(system)

    until(lambda: stops(system), 60, "the account stops")

    [(errcode, words)] = stops(system)
    assert (errcode, "127.0.0.1" in (words or "")) == (40164, True)
    query = select(AttemptRow.id).where(AttemptRow.outcome == Outcome.TOKEN)
    with system.engine.connect() as connection:
        assert len(connection.execute(query).all()) == 1

    system.simulator.change_account(whitelist=["127.0.0.1"])
    system.broadcast("unhalt")
    system.until_state(sent["id"], "completed")
    assert len(stops(system)) == 1
    assert set(system.simulator.delivered(openids).values()) == {1}


def test_a_command_says_it_in_a_persons_words_and_no_line_of_a_log(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2)
    system.simulator.change_account(whitelist=["10.0.0.1"])

    told = system.broadcast("quota", status=None)

    assert told.returncode != 0
    assert "40164" in told.stderr
    assert REFUSED not in told.stderr


def test_the_only_machine_stops_also_where_results_alone_are_asked_for(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=2, BROADCAST_LANG="zh", BROADCAST_WAIT_SCALE="0.001")
    with EventListener(valkey.url) as listener:
        system.worker()
        listener.wait_for("worker-heartbeat")
        system.beat()
        system.send(system.simulator.openids(2), "--text", "hello")
        [job] = system.simulator.wait_for_jobs(1)
        system.simulator.force_job_status(job["msg_id"], "SENDING")
        unlist(system)
        listener.wait_for("task-failed", timeout_s=60)

    (said,) = [one["exception"] for one in listener.events if one["type"] == "task-failed"]
    assert said.startswith("default · 已停用：账号 default")
    assert "40164 invalid ip 127.0.0.1" in said
    assert "→ broadcast unhalt --account default" in said
