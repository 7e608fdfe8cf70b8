"""What each process of an installation weighs, idle: its share of memory (PSS).

Worker and beat on SQLite and Valkey, the HTTP API, the callback server, Flower; Linux only.
Usage: python -m benchmarks.memory
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from tests.kit import api
from tests.kit.processes import RunningProcess, python_module
from tests.kit.simulator import Simulator
from tests.kit.system import BEAT, CALLBACK_READY, WORKER, System
from tests.kit.wait import until
from tests.servers.ports import free_port
from tests.servers.valkey import Valkey

MB = 1024 * 1024
#: Of one core: less is idle.
IDLE_PERCENT = 5
SECRETS = {
    "FLOWER_BASIC_AUTH": "bench:bench-password",
    "BROADCAST_API_KEYS": api.KEY,
}


def main() -> None:
    """Print a line a process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Valkey() as valkey,
        Simulator() as simulator,
        System(
            Path(folder),
            valkey=valkey,
            simulator=simulator,
            account_lines='callback_token = "benchtoken"',
        ) as system,
    ):
        for name, words, ready in processes():
            log = Path(folder) / f"{name}.log"
            env = {**system.env, **SECRETS}
            with RunningProcess(words, log=log, env=env, cwd=Path(folder)) as process:
                process.wait_for_line(ready, timeout_s=60)
                print(f"{name}: {weight(process.pid) / MB:.0f} MB PSS")


def processes() -> list[tuple[str, list[str], str]]:
    """Return each process: its name, its command and what it says when it is ready."""
    cli = "entrypoints.cli.main"
    return [
        ("worker", python_module("celery", *WORKER, "-l", "INFO"), " ready."),
        ("beat", python_module("celery", *BEAT, "-l", "INFO", "-s", "beat"), "Sending due task"),
        ("api", python_module(cli, "api", "--port", "0"), "api ready"),
        ("callback", python_module(cli, "callback", "--port", "0"), CALLBACK_READY),
        (
            "flower",
            python_module("celery", "-A", "worker", "flower", f"--port={free_port()}"),
            "Visit me at",
        ),
    ]


def weight(pid: int) -> int:
    """Return the bytes of a process that has nothing to do, children included."""
    one = psutil.Process(pid)
    until(lambda: one.cpu_percent(0.5) < IDLE_PERCENT, 60, "a process at rest")
    return sum(each.memory_full_info().pss for each in [one, *one.children(recursive=True)])


if __name__ == "__main__":
    main()
