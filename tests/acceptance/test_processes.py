"""The processes that people start: what they say, what they leave running or behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
import redis
import requests

from broadcast.rules.accounts import from_file
from broadcast.views.texts import Texts
from tests.acceptance.conftest import of, sets_of
from tests.kit.processes import RunningProcess
from tests.kit.pushes import TOKEN
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.acceptance.conftest import StartSystem
    from tests.servers.fixtures import Launch

BROADCAST = str(Path(sys.executable).parent / "broadcast")
FOLLOWERS = 30_001
OPENIDS = Path(__file__).parents[2] / "examples" / "openids.csv"
#: A shell behind a proxy that nobody listens at; the tests' own exception for the loopback is away.
PROXIED: dict[str, str | None] = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": None,
    "no_proxy": "example.org",
}


def end(process: RunningProcess, number: signal.Signals) -> int:
    """Send a signal as people do; see that no process stays; return the status."""
    family = process.family()
    if number is signal.SIGINT:
        process.signal_group(number)
    else:
        process.terminate()
    status = process.wait(timeout_s=30)
    _, alive = psutil.wait_procs(family, timeout=0)
    assert [one.cmdline() for one in alive] == []
    return status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_the_simulator_knows_the_account_of_the_environment_and_stops_in_order(
    launch: Launch, number: signal.Signals
) -> None:
    appid, secret = "wx0000000000000042", "0123456789abcdef0123456789abcdef"
    env = {"WECHAT_APPID": appid, "WECHAT_APPSECRET": secret}
    process = launch([BROADCAST, "simulator", "--port", "0"], env=env)
    process.wait_for_line("simulator ready http://127.0.0.1:")

    assert token_of(process, appid, secret)
    assert secret not in process.output
    assert end(process, number) == 0


def token_of(simulator: RunningProcess, appid: str, secret: str) -> str:
    """Fetch a token from a simulator that is ready."""
    url = simulator.output.split("simulator ready ")[1].split()[0]
    asked = {"grant_type": "client_credential", "appid": appid, "secret": secret}
    said = requests.post(f"{url}/cgi-bin/stable_token", json=asked, timeout=240).json()
    return str(said["access_token"])


def test_the_simulator_without_an_account_prints_the_one_that_it_knows_and_where_it_is(
    launch: Launch,
) -> None:
    process = launch([BROADCAST, "simulator", "--port", "0", "--followers", "40000"])
    process.wait_for_line("simulator ready ")
    assert (
        f"with 40,000 followers (examples/openids.csv lists the first {FOLLOWERS:,} OpenIDs)"
        in (process.output)
    )

    told = dict(re.findall(r"^WECHAT_(\w+)=(\S+)$", process.output, re.MULTILINE))
    assert token_of(process, told["APPID"], told["APPSECRET"])
    assert process.output.split("simulator ready ")[1].split() == [told["API_BASE"]]
    assert not told["API_BASE"].endswith(":0")
    assert end(process, signal.SIGTERM) == 0


def test_a_simulator_whose_port_is_taken_says_so_in_one_line(launch: Launch) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        process = launch([BROADCAST, "simulator", "--port", str(port)])

        assert process.wait() == 3

    [line] = process.output.splitlines()
    assert f"{LOOPBACK}:{port}" in line
    assert "--port" in line


def test_up_serves_commands_of_other_terminals_and_takes_everything_with_it(
    installation: Path, tmp_path: Path
) -> None:
    terminal = tmp_path / "terminal"
    terminal.mkdir()
    # One that was killed left its URL, in an open folder.
    (installation / "var" / "up").mkdir(parents=True)
    (installation / "var" / "up" / "redis.url").write_text("redis://127.0.0.1:1/0", "ascii")
    (installation / "var" / "up" / "beat.log").write_text("of an older version\n", "ascii")
    file = terminal / "list.txt"
    with Simulator(followers=100) as simulator:
        file.write_text("\n".join(simulator.openids(100)), encoding="ascii")
        account = simulator.account
        env = (
            of(
                installation,
                WECHAT_APPID=account.appid,
                WECHAT_APPSECRET=account.secret,
                WECHAT_API_BASE=simulator.url,
                WECHAT_CALLBACK_TOKEN=TOKEN,
            )
            | PROXIED
        )
        simulator.set_switches(job_delay_s=0)
        nothing_starts_with_a_wrong_appsecret(env, terminal, installation / "var")

        for number, text, status in (
            (signal.SIGTERM, "one", 128 + signal.SIGTERM),
            (signal.SIGINT, "two", 0),
        ):
            log = tmp_path / f"up-{text}.log"
            command = [BROADCAST, "up", "--callback-port", "0"]
            with RunningProcess(command, log=log, env=env, cwd=terminal) as up:
                up.wait_for_line("For WeChat's pushes: http", timeout_s=40)
                simulator.set_callback(pushed_to(up), TOKEN)
                words = ["send", "--openids", str(file), "--text", text, "--wait", "--json"]
                told = json.loads(run(words, env=env, cwd=terminal, log=tmp_path / text))
                assert told["recipients"]["accepted"] == 100
                until(lambda: simulator.pushes(state="handled"), 20, "the end of the job")
                assert len(up.family()) >= 5
                nothing_is_open_to_others(up, installation / "var")
                assert end(up, number) == status
        run(["audit", "--all"], env=env, cwd=terminal, log=tmp_path / "audit.log")
        known = run(["accounts", "--json"], env=env, cwd=terminal, log=tmp_path / "accounts.log")

        assert json.loads(known)["accounts"][0]["last_push_at"]
        assert not (installation / "var" / "up" / "redis.url").exists()
        logs = {name: log_of(installation, name) for name in ("worker", "beat", "valkey")}
        # Of both starts, and of the work; not of what an idle worker does all day.
        assert [logs["worker"].count(" ready."), logs["beat"].count("beat: Starting")] == [2, 2]
        assert logs["worker"].count("Task broadcast.send_batch") >= 2
        assert "broadcast.sweep[" not in logs["worker"]
        assert "Sending due task" not in logs["beat"]
        assert logs["valkey"].count("Ready to accept connections") == 3
        assert simulator.ledger() == {
            "delivered_distinct": 100,
            "deliveries": 200,
            "delivered_max": 2,
            "doubled": 100,
        }


def test_without_an_account_a_simulator_is_started_and_found_by_other_terminals(
    installation: Path, tmp_path: Path
) -> None:
    env = {**of(installation), "WECHAT_UNSUBSCRIBE_WORDS": "退订,TD"}
    send = ["send", "--openids", str(OPENIDS), "--text", "hello", "--wait", "--json"]
    left = installation / "var" / "up" / "simulator.toml"
    with RunningProcess(
        [BROADCAST, "up", "--simulator"], log=tmp_path / "up.log", env=env, cwd=tmp_path
    ) as up:
        up.wait_for_line("broadcast send --openids examples/openids.csv", timeout_s=40)
        told = json.loads(run(send, env=env, cwd=tmp_path, log=tmp_path / "send.log"))
        status = ["status", told["id"], "--json"]
        until(
            lambda: (
                json.loads(run(status, env=env, cwd=tmp_path, log=tmp_path / "s.log"))["delivered"][
                    "sent"
                ]
                == FOLLOWERS
            ),
            40,
            "WeChat's counts of the trial's account",
        )
        beside = {**env, "WECHAT_APPID": "wx0000000000000042", "WECHAT_APPSECRET": "f" * 32}
        known = run(["accounts", "--json"], env=beside, cwd=tmp_path, log=tmp_path / "accounts.log")
        for one in (left, left.with_name("database.url")):
            assert one.stat().st_mode & 0o077 == 0
        [trial] = from_file(left).values()
        assert trial.unsubscribe_words == ("退订", "TD")
        assert end(up, signal.SIGINT) == 0

    assert (told["account"], told["recipients"]["accepted"]) == ("demo", FOLLOWERS)
    # An account that is set counts, and no other.
    assert "wx0000000000000042" in known
    assert not left.exists()
    assert not left.with_name("database.url").exists()
    with RunningProcess(
        [BROADCAST, "up", "--simulator"], log=tmp_path / "no.log", env=beside, cwd=tmp_path
    ) as refused:
        assert refused.wait() == 2
        assert "default" in refused.output


def pushed_to(up: RunningProcess) -> str:
    base = up.output.rsplit("For WeChat's pushes: ", 1)[1].split()[0]
    return f"{base}/wechat/default/callback"


def log_of(installation: Path, name: str) -> str:
    return (installation / "var" / "up" / f"{name}.log").read_text(encoding="utf-8")


def nothing_starts_with_a_wrong_appsecret(
    env: Mapping[str, str | None], cwd: Path, var: Path
) -> None:
    """The check fails, says why, and leaves nothing running: the next start finds no other."""
    wrong = {**env, "WECHAT_APPSECRET": "f" * 32}
    with RunningProcess([BROADCAST, "up"], log=cwd / "wrong.log", env=wrong, cwd=cwd) as up:
        assert up.wait(timeout_s=40) == 1, up.output
        assert "(40125)" in up.output
        assert "WECHAT_APPSECRET" in up.output
        assert "broadcast up --skip-checks" in up.output.splitlines()[-1]
    assert not (var / "up" / "redis.url").exists()
    assert not (var / "up" / "worker.log").exists()


def nothing_is_open_to_others(up: RunningProcess, var: Path) -> None:
    """No file for other users, no password in a command line, and none of them is let in."""
    left = [str(one) for one in var.rglob("*") if one.stat().st_mode & 0o077]
    assert left == []
    assert {"broadcast.db", "redis.url", "valkey.conf", "worker.log"} <= {
        one.name for one in var.rglob("*")
    }
    url = (var / "up" / "redis.url").read_text(encoding="ascii")
    password = urlsplit(url).password
    assert password
    assert [one for one in up.family() if password in " ".join(one.cmdline())] == []
    with (
        redis.Redis.from_url(url.replace(f":{password}@", "")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    assert password not in up.output


@pytest.mark.prove
def test_up_lists_what_was_stored_before_it_goes_on_with_it(
    installation: Path, tmp_path: Path
) -> None:
    with Simulator(followers=10) as simulator:
        file = tmp_path / "list.txt"
        file.write_text("\n".join(simulator.openids(10)), encoding="ascii")
        account = simulator.account
        env = of(
            installation,
            WECHAT_APPID=account.appid,
            WECHAT_APPSECRET=account.secret,
            WECHAT_API_BASE=simulator.url,
        )
        with RunningProcess(
            [BROADCAST, "db", "upgrade"], log=tmp_path / "db.log", env=env, cwd=tmp_path
        ) as upgrade:
            assert upgrade.wait() == 0
        send = ["send", "--openids", str(file), "--text", "yesterday's", "--json"]
        sent = json.loads(run(send, env=env, cwd=tmp_path, log=tmp_path / "send.log"))["id"]
        with RunningProcess(
            [BROADCAST, "up"], log=tmp_path / "up.log", env=env, cwd=tmp_path
        ) as up:
            up.wait_for_line("Running for: default", timeout_s=40)
            until(lambda: simulator.ledger()["deliveries"] == 10, 20, "ten deliveries")
            guard_file = installation / "entrypoints" / "cli" / "embedded" / "guard.py"
            [guard] = [one for one in up.family() if str(guard_file) in one.cmdline()]
            guard.kill()
            up.wait_for_line("The guard process")
            assert end(up, signal.SIGINT) == 0
            printed = up.output.splitlines()
        run(["audit", "--all"], env=env, cwd=tmp_path, log=tmp_path / "audit.log")

    [listed] = [one for one in printed if one.endswith(f"broadcast cancel {sent}")]
    assert "waiting: 10 followers" in listed
    [running] = [one for one in printed if one.startswith("Running for")]
    assert printed.index(listed) < printed.index(running)
    assert any(one.endswith("var/up/redis.url") for one in printed)


def run(words: list[str], *, env: Mapping[str, str | None], cwd: Path, log: Path) -> str:
    """Run a command that must succeed; return the last line that it printed."""
    with RunningProcess([BROADCAST, *words], log=log, env=env, cwd=cwd) as process:
        assert process.wait(timeout_s=60) == 0, process.output
        return process.output.splitlines()[-1]


def test_the_demo_delivers_to_everybody_once_and_can_be_run_again_at_once(
    installation: Path, tmp_path: Path
) -> None:
    # What a user has in his shell is none of the demo's business.
    env = PROXIED | of(
        installation, REDIS_URL="redis://127.0.0.1:1/0", WECHAT_APPID="wxmine0000000000"
    )
    for log in (tmp_path / "first", tmp_path / "second"):
        with RunningProcess([BROADCAST, "demo"], log=log, env=env, cwd=tmp_path) as demo:
            status = demo.wait(timeout_s=60)
        printed = demo.output
        assert status == 0, printed
        assert "30,018 lines read" in printed
        assert re.search(r"5 malformed \(lines( \d+,?){3} …\)", printed), printed
        assert "12 duplicate (lines" in printed
        assert " · 30,001 followers" in printed
        assert "Batches: 4, of 7,500 to 7,501 followers · calls 6" in printed
        assert re.search("30,001 of 30,001 followers accepted", printed), printed
        assert printed.count("Earlier calls of batch ") == 2
        assert f"All {FOLLOWERS:,} followers received it exactly once" in printed
        assert printed.rstrip().endswith(Texts("en")("demo.next"))
        # Its database is gone with it.
        assert "broadcast watch" not in printed
        assert list((installation / "var").glob("demo-*")) == []


@pytest.mark.parametrize("when", ["on free ports", "Stored as"])
def test_ctrl_c_in_the_demo_says_one_true_line(
    installation: Path, tmp_path: Path, when: str
) -> None:
    with RunningProcess(
        [BROADCAST, "demo"], log=tmp_path / "demo.log", env=of(installation), cwd=tmp_path
    ) as demo:
        demo.wait_for_line(when, timeout_s=40)

        assert end(demo, signal.SIGINT) == 130
        printed = demo.output

    assert printed.splitlines()[-1].startswith("Interrupted: the demo, all its parts"), printed
    assert "broadcast watch" not in printed
    assert "Error" not in printed
    assert list((installation / "var").glob("demo-*")) == []


def test_ctrl_c_while_waiting_leaves_the_broadcast_running_and_says_its_id(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=40, latency_ms=200, BROADCAST_BATCH_SIZE="2")
    system.worker()
    file = system.folder / "list.txt"
    file.write_text("\n".join(system.simulator.openids(40)), encoding="ascii")
    with RunningProcess(
        [BROADCAST, "send", "--openids", str(file), "--text", "a", "--wait"],
        log=system.folder / "send.log",
        env=system.env,
        cwd=system.folder,
    ) as waiting:
        waiting.wait_for_line("accepted by WeChat")
        until(lambda: len(system.simulator.mass_calls()) >= 2, 20, "two calls")

        waiting.signal_group(signal.SIGINT)

        assert waiting.wait() == 130
        printed = waiting.output
    found = re.search(r"Stored as (\S+)\.", printed)
    assert found is not None, printed
    assert f"broadcast watch {found[1]}" in printed.splitlines()[-3]
    assert f"broadcast pause {found[1]}" in printed.splitlines()[-1]
    report = system.until_state(found[1], "completed", timeout_s=40)
    assert sets_of(report) == {"accepted": 40}
