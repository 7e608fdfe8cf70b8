"""`broadcast simulator --callback` and `broadcast callback`, side by side, in safe mode."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from entrypoints.cli.embedded.embedded_parts import TRIAL_ACCOUNT, free_port
from tests.kit import template
from tests.kit.processes import RunningProcess, python_module
from tests.kit.pushes import AES_KEY, TOKEN
from tests.kit.wait import until

APPID = "wx0000000000000001"


def started(folder: Path, *words: str, env: dict[str, str | None]) -> tuple[RunningProcess, str]:
    """Start a command that says where it is ready."""
    command = python_module("entrypoints.cli.main", *words, "--port", "0")
    log = folder / f"{words[0]}.log"
    process = RunningProcess(command, log=log, env=env, cwd=folder, warm=True)
    process.wait_for_line(f"{words[0]} ready ", timeout_s=40)
    return process, process.output.rsplit(" ready ", 1)[1].split()[0]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str | None]:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    return {
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "BROADCAST_LANG": "en",
        "WECHAT_APPID": APPID,
        "WECHAT_APPSECRET": "0123456789abcdef0123456789abcdef",
        "WECHAT_CALLBACK_TOKEN": TOKEN,
        "WECHAT_ENCODING_AES_KEY": AES_KEY,
    }


def test_two_commands_and_what_followers_do_arrives(
    tmp_path: Path, env: dict[str, str | None]
) -> None:
    server, callback = started(tmp_path, "callback", env=env)
    with server:
        words = ("simulator", "--callback", callback, "--followers", "5")
        simulator, url = started(tmp_path, *words, env=env)
        with simulator:
            admin = f"{url}/admin"
            path = f"{admin}/accounts/{APPID}/check-callback"
            assert requests.post(path, timeout=240).json()["echoed"] is True
            openid = "o" + "x" * 27
            requests.post(f"{admin}/accounts/{APPID}/followers", data=openid, timeout=240)

            def taken() -> bool:
                pushes = requests.get(f"{admin}/pushes", timeout=240).json()["pushes"]
                return [(one["mode"], one["state"]) for one in pushes] == [("safe", "handled")]

            until(taken, 20, "an event that our server has taken")


def test_without_an_account_the_lines_for_env_make_the_pushes_arrive(
    tmp_path: Path, env: dict[str, str | None]
) -> None:
    names = ("WECHAT_APPID", "WECHAT_APPSECRET", "WECHAT_CALLBACK_TOKEN", "WECHAT_ENCODING_AES_KEY")
    env = {**env, **dict.fromkeys(names)}
    port = free_port()
    words = ("simulator", "--callback", f"http://127.0.0.1:{port}", "--followers", "5")
    simulator, url = started(tmp_path, *words, env=env)
    with simulator:
        lines = dict(re.findall(r"^(WECHAT_\w+)=(\S+)$", simulator.output, re.MULTILINE))
        command = python_module("entrypoints.cli.main", "callback", "--port", str(port))
        with RunningProcess(
            command, log=tmp_path / "callback.log", env={**env, **lines}, cwd=tmp_path
        ) as server:
            server.wait_for_line("callback ready ", timeout_s=40)
            path = f"{url}/admin/accounts/{lines['WECHAT_APPID']}/check-callback"
            assert requests.post(path, timeout=240).json()["echoed"] is True

    # The account of `broadcast up --simulator` has another name in the same database.
    assert lines["WECHAT_APPID"] != TRIAL_ACCOUNT.appid


def test_without_a_token_nothing_can_be_pushed(tmp_path: Path, env: dict[str, str | None]) -> None:
    env = {**env, "WECHAT_CALLBACK_TOKEN": None, "WECHAT_ENCODING_AES_KEY": None}
    command = python_module("entrypoints.cli.main", "simulator", "--callback", "http://127.0.0.1:1")
    process = RunningProcess(command, log=tmp_path / "log", env=env, cwd=tmp_path)

    assert process.wait(timeout_s=40) == 2
    assert "token" in process.output
