"""`broadcast doctor`: each planted fault is found alone, and repaired by the printed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery

from broadcast.rules.findings import Fault
from tests.kit import foreign
from tests.kit.system import System
from tests.kit.wait import until
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

F = Fault
TOKEN = "noSecretOfAnybody"


def healthy(start_system: StartSystem) -> System:
    """A system in which nothing is wrong: worker and beat run, its files are its owner's."""
    system = start_system(
        followers=40, account_lines=f'callback_token = "{TOKEN}"', BROADCAST_BATCH_SIZE="2"
    )  # fmt: skip
    (system.folder / "accounts.toml").chmod(0o600)
    system.worker()
    system.beat().wait_for_line("beat: Starting")
    until(lambda: not found(system), 20, "a healthy system")
    return system


def examined(system: System, **env: str) -> dict[str, Any]:
    """What `broadcast doctor --json` says."""
    system.env |= env
    done = system.broadcast("doctor", "--json", status=None)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    errors = [one for one in said["findings"] if one["severity"] == "error"]
    assert done.returncode == (1 if errors else 0), done.stderr
    assert said["error"] is None
    return said


def found(system: System) -> list[str]:
    return [one["id"] for one in examined(system)["findings"]]


def repair(system: System, finding: dict[str, Any]) -> None:
    """Type the command of a finding, in the folder of the system."""
    assert finding["repairable"], finding
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, **system.env, "PATH": path}
    done = subprocess.run(
        ["bash", "-c", finding["command"]], cwd=system.folder, env=environment, timeout=120,
        capture_output=True, text=True, check=False, input="tests\n",
    )  # fmt: skip
    assert done.returncode == 0, f"{finding['command']}\n{done.stdout}{done.stderr}"


def test_faults_that_stand_together_are_found_and_repaired_by_their_commands(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = healthy(start_system)
    with valkey.client() as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    system.simulator.change_account(used=100, daily_limit=100)
    system.broadcast("halt", "--all")
    control(system, "cancel_consumer", "broadcast")
    dotenv = system.folder / ".env"
    dotenv.write_text("# 设置\nBROADCAST_LATE_BT=20m\n", encoding="gb18030")
    dotenv.chmod(0o644)
    # What keeps the settings from being read is found first, and alone but for the file's mode.
    first = examined(system)
    assert [one["id"] for one in first["findings"]] == [F.DOTENV, F.OPEN_FILE]
    assert "workers" in first["not_looked_at"]

    for finding in first["findings"]:
        repair(system, finding)
    second = examined(system)["findings"]
    for finding in second:
        repair(system, finding)

    faults = [F.MISSPELT, F.REDIS_EVICTS, F.WORKER_DEAF, F.QUOTA, F.ACCOUNT_OFF]
    assert [one["id"] for one in second] == faults
    assert found(system) == []
    assert system.broadcast("doctor").stdout == "Nothing is wrong.\n"


def control(system: System, order: str, *words: str) -> None:
    """What `celery -A worker control` does."""
    with foreign.app_of(system.valkey.url) as app:
        steer(app, order, *words)


def steer(app: Celery, order: str, *words: str) -> None:
    app.conf.control_exchange = "broadcast"
    getattr(app.control, order)(*words, reply=True, timeout=1)
