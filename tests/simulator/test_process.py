from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests

from simulator.openid import generated_openids
from tests.kit.endpoints import MASS_SEND
from tests.kit.processes import RunningProcess, python_module
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.wait import until
from tests.simulator.expectations import submitted
from tests.simulator.wire import Wire, text_message

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTE = 1_000_000


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python_module("simulator", *arguments),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **options,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "simulator.log"
    with RunningProcess(python_module("simulator", "--host", "127.0.0.1"), log=log) as process:
        process.wait_for_line("simulator ready http://127.0.0.1:")
        os.kill(process.pid, number)
        assert process.wait() == 0
        assert "Traceback" not in process.output


def test_it_ends_in_the_middle_of_a_slow_reply() -> None:
    """No wait for the reply, no traceback; the client sees a closed connection."""
    with Simulator(followers=10) as simulator:
        wire = Wire(simulator.url, simulator.account)
        wire.token  # noqa: B018 - fetched before the slow call
        simulator.fault("slow", when="before", seconds=600, path=MASS_SEND)
        with pytest.raises(requests.ReadTimeout):
            wire.call(
                "POST", "message/mass/send", params={"access_token": wire.token}, timeout=(60, 1)
            )
        output = simulator.process.output
        assert simulator.stop() == 0
        assert "Traceback" not in output
        wire.close()


def test_without_accounts_it_makes_one_and_says_which(tmp_path: Path) -> None:
    log = tmp_path / "simulator.log"
    with RunningProcess(python_module("simulator", "--followers", "5"), log=log) as process:
        process.wait_for_line("simulator ready")
        words = dict(word.split("=") for word in process.output.split() if "=" in word)
        url = process.output.split("simulator ready ")[1].strip()
        account = SimulatedAccount(appid=words["appid"], secret=words["secret"])
        wire = Wire(url, account)
        submitted(wire.send(generated_openids(account.appid, count=5)))
        wire.close()
        assert process.stop() == 0


def test_accounts_may_come_from_the_environment(tmp_path: Path) -> None:
    """A secret on a command line is seen by everyone on the machine."""
    log = tmp_path / "simulator.log"
    env = {"SIMULATOR_ACCOUNTS": "a:wxa:secret-a\nb:wxb:secret-b:test"}
    with RunningProcess(python_module("simulator"), log=log, env=env) as process:
        process.wait_for_line("simulator ready")
        url = process.output.split("simulator ready ")[1].strip()
        state = requests.get(f"{url}/admin/state", timeout=240).json()
        assert [(one["appid"], one["kind"]) for one in state["accounts"]] == [
            ("wxa", "service"),
            ("wxb", "test"),
        ]
        assert "secret" not in process.output


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--account", "name:appid"], 2),
        (["--account", "name:appid:hidden:gold"], 2),
        (["--followers", "-1"], 2),
        (["--switch", "colour=green"], 2),
        (["--switch", "colour"], 2),
        (["--port", "x"], 2),
        (["--host", "192.0.2.1"], 3),
        (["--fd", "x"], 2),
        (["--fd", "999"], 3),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], status: int) -> None:
    result = run(*arguments)
    assert result.returncode == status
    assert result.stderr
    assert "hidden" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_named(running: Simulator) -> None:
    port = running.url.rsplit(":", 1)[1]
    result = run("--port", port)
    assert (result.returncode, "Traceback" in result.stderr) == (3, False)
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


def test_options_set_quotas_and_switches(tmp_path: Path) -> None:
    log = tmp_path / "simulator.log"
    words = ["--daily-limit", "7", "--calls-per-minute", "0", "--switch", "monthly_cap=0"]
    with RunningProcess(python_module("simulator", *words), log=log) as process:
        process.wait_for_line("simulator ready")
        url = process.output.split("simulator ready ")[1].strip()
        (account,) = requests.get(f"{url}/admin/state", timeout=240).json()["accounts"]
        assert (account["daily_limit"], account["calls_per_minute"]) == (7, 0)
        assert requests.get(f"{url}/admin/switches", timeout=240).json()["monthly_cap"] == 0


def wait_for_the_next_second() -> None:
    second = int(time.time())
    until(lambda: int(time.time()) > second, 2, "the next second")


def test_a_msg_id_of_an_earlier_run_never_comes_back() -> None:
    """Section 2.2: WeChat gives no id twice, and the ledger of the earlier run may be kept."""
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        with Simulator(followers=10) as simulator:
            seen.append(both_ids(simulator))
        # Ids of sends to all are counted on from the second of the start.
        wait_for_the_next_second()
    listed, of_all = zip(*seen, strict=True)
    assert list(listed) == sorted(set(listed))
    assert min(listed) > 2**32
    assert list(of_all) == sorted(set(of_all))
    assert max(of_all) < 2**31


def test_a_msg_data_id_of_an_earlier_run_never_comes_back() -> None:
    """By it an article that was sent is recalled."""
    seen: list[int] = []
    for _ in range(2):
        with Simulator(followers=10) as simulator:
            wire = Wire(simulator.url, simulator.account)
            seen.append(wire.send(simulator.openids(2))["msg_data_id"])
            wire.close()
        wait_for_the_next_second()
    assert seen == sorted(set(seen))


def test_the_first_msg_id_may_be_told() -> None:
    """A run that must be the same again."""
    with Simulator(followers=10, first_msg_id=4_000_000_000) as simulator:
        for _ in range(2):
            simulator.reset()
            assert both_ids(simulator) == (4_000_000_000, 1_000_000_001)


def both_ids(simulator: Simulator) -> tuple[int, int]:
    """The msg_ids of a send to OpenIDs and of a send to all."""
    to_all = {"filter": {"is_to_all": True}, "msgtype": "text", "text": {"content": "a"}}
    wire = Wire(simulator.url, simulator.account)
    of_list = submitted(wire.send(simulator.openids(2)))
    of_all = submitted(wire.post("message/mass/sendall", to_all))
    wire.close()
    return of_list, of_all


def test_a_million_openids_are_printed_at_once() -> None:
    begin = time.monotonic()
    lines = run("followers", "--appid", "wx1", "--count", "1000000").stdout.splitlines()
    print(f"1,000,000 OpenIDs printed in {time.monotonic() - begin:.2f} s")
    assert len(lines) == len(set(lines)) == 1_000_000
    assert lines[:3] == generated_openids("wx1", count=3)


def test_a_reader_that_stops_early_is_no_error() -> None:
    """`python -m simulator followers … | head` is a common way to use it."""
    command = python_module("simulator", "followers", "--appid", "wx1", "--count", "1000000")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(29)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_million_followers_who_all_got_something_fit_into_300_megabytes() -> None:
    """A million generated ones; then a million foreign OpenIDs, which are stored one by one."""
    account = SimulatedAccount()
    switches = {"accept_any_wellformed": True}
    with Simulator(
        [account], followers=1_000_000, daily_limit=1000, calls_per_minute=0, switches=switches
    ) as simulator:
        wire = Wire(simulator.url, account)
        for reached, appid in enumerate((account.appid, "wxforeign"), 1):
            for start in range(0, 1_000_000, 10_000):
                openids = generated_openids(appid, start=start, count=10_000)
                submitted(wire.post("message/mass/send", orjson.dumps(text_message(openids))))
            family = simulator.process.family()
            resident = sum(process.memory_info().rss for process in family)

            print(f"{reached},000,000 reached: {resident / MEGABYTE:.0f} MB resident")
            assert resident < 300 * MEGABYTE
            assert simulator.ledger() == {
                "delivered_distinct": reached * 1_000_000,
                "delivered_max": 1,
                "doubled": 0,
                "deliveries": reached * 1_000_000,
            }
        wire.close()
