"""`broadcast doctor`: each planted fault is found alone, and repaired by the printed command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from sqlalchemy import text

from broadcast.rules.findings import REPAIRED, Fault
from tests.acceptance.administering import administrator
from tests.acceptance.conftest import of
from tests.acceptance.planted_faults import PLANTS, TOKEN, Plant, cancel
from tests.kit.command_line import CommandLine
from tests.kit.wait import until
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.mariadb import MariaDB
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

F = Fault
FOLDING = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
#: What an operator types `broadcast` and `celery` with.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def healthy(start_system: StartSystem, **more: Any) -> System:
    """A system in which nothing is wrong: worker and beat run, its files are its owner's."""
    system = start_system(
        followers=40, account_lines=f'callback_token = "{TOKEN}"', BROADCAST_BATCH_SIZE="2", **more
    )
    (system.folder / "accounts.toml").chmod(0o600)
    system.worker()
    system.beat().wait_for_line("beat: Starting")
    until(lambda: not found(system), 30, "a healthy system")
    return system


def examined(system: System) -> dict[str, Any]:
    """What `broadcast doctor --json` says."""
    done = system.broadcast("doctor", "--json", status=None)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    errors = [one for one in said["findings"] if one["severity"] == "error"]
    assert done.returncode == (1 if errors else 0), done.stderr
    assert said["error"] is None
    return said


def found(system: System) -> list[str]:
    return [one["id"] for one in examined(system)["findings"]]


def until_found(system: System, *faults: Fault) -> list[dict[str, Any]]:
    """Wait until these are found, and nothing else; return them."""

    def each() -> list[list[dict[str, Any]]]:
        seen = examined(system)["findings"]
        assert [one["id"] for one in seen] == list(faults), seen
        return [seen]

    return until(each, 40, f"{faults} alone")[0]


def repair(finding: dict[str, Any], folder: Path, environment: dict[str, str]) -> None:
    """Type the command of a finding; a server asks for its password."""
    assert finding["repairable"], finding
    done = subprocess.run(
        ["bash", "-c", finding["command"]],
        cwd=folder,
        timeout=120,
        text=True,
        check=False,
        env={**os.environ, **environment, "PATH": PATH},
        input="tests\n",
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f"{finding['command']}\n{done.stdout}"


def test_faults_that_stand_together_are_found_and_repaired_by_their_commands(
    tmp_path: Path, start_system: StartSystem, valkey: Valkey
) -> None:
    # Without an address of notices.
    notify = tmp_path / "notify"
    notify.touch(mode=0o600)
    system = healthy(start_system, BROADCAST_NOTIFY_FILE=str(notify))
    cancel("broadcast")(system)
    told = system.send(system.simulator.openids(10))
    status = system.broadcast("status").stdout
    with valkey.client() as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    system.broadcast("halt", "--all", "--why", "wrong price")
    dotenv = system.folder / ".env"
    dotenv.write_text("# 设置\nBROADCAST_LATE_BT=20m\n", encoding="gb18030")
    dotenv.chmod(0o644)
    # What keeps the settings from being read is found first, and alone but for the file's mode.
    first = examined(system)
    for finding in first["findings"]:
        repair(finding, system.folder, system.env)
    second = examined(system)["findings"]
    for finding in second[:3]:
        repair(finding, system.folder, system.env)

    assert [one["id"] for one in first["findings"]] == [F.DOTENV, F.OPEN_FILE]
    assert "workers" in first["not_looked_at"]
    faults = [F.MISSPELT, F.REDIS_EVICTS, F.WORKER_DEAF, F.ACCOUNT_OFF]
    assert [one["id"] for one in second] == faults
    # `status` said of the worker what `doctor` says.
    assert f"✗ {second[2]['what']}\n    {second[2]['why']}" in status
    assert second[2]["command"] in status
    # A person's stop is no fault that a script repairs.
    (halted,) = examined(system)["findings"]
    assert not halted["repairable"]
    assert "wrong price" in halted["fix"]
    system.broadcast(*halted["command"].split()[1:])
    system.until_state(told["id"], "completed")
    assert system.broadcast("doctor").stdout == "Nothing is wrong.\n"


@pytest.mark.prove
def test_each_fault_is_found_alone_and_each_repairable_one_is_repaired_by_its_command(
    start_system: StartSystem,
) -> None:
    system = healthy(start_system)
    told = system.send(system.simulator.openids(10), "--wait")
    assert told["state"] == "completed"

    for plant in PLANTS:
        prove(system, plant)


def prove(system: System, plant: Plant) -> None:
    """Plant a fault in a healthy system, find it alone, and be rid of it."""
    env, file = dict(system.env), system.folder / "accounts.toml"
    accounts = file.read_text()
    plant.sow(system)
    (finding,) = until_found(system, plant.fault)
    assert finding["repairable"] is (plant.fault in REPAIRED), finding
    assert finding["what"]
    assert finding["why"]
    if finding["repairable"]:
        repair(finding, system.folder, system.env)
    plant.undo(system)
    system.env = env
    file.write_text(accounts)
    until_found(system)
    (system.folder / ".env").unlink(missing_ok=True)


@pytest.mark.prove
def test_an_installation_is_started_by_the_printed_commands_alone(
    tmp_path: Path, start_system: StartSystem
) -> None:
    # Its servers; of the system itself nothing runs.
    system = start_system(followers=10)
    file = system.folder / "accounts.toml"
    file.chmod(0o600)
    line = CommandLine(
        tmp_path / "own",
        env={
            "BROADCAST_ACCOUNTS_FILE": str(file),
            "REDIS_URL": system.valkey.url,
        },
    )
    line.folder.mkdir()
    env = {name: value for name, value in line.environment({}).items() if value}

    def findings() -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = line.run("doctor", "--json").json["findings"]
        return said

    with contextlib.ExitStack() as stack:
        first = findings()
        for finding in first:
            repair(finding, line.folder, env)
        for program in ("worker", "beat"):
            stack.enter_context(ended(line.folder / f"{program}.pid"))
        until(lambda: not findings(), 40, "nothing is wrong any more")

    assert [one["id"] for one in first] == [F.DATABASE_EMPTY, F.NO_WORKER, F.NO_BEAT]


@contextlib.contextmanager
def ended(pid_file: Path) -> Iterator[None]:
    """End a detached process with the block."""
    until(pid_file.exists, 30, f"{pid_file}")
    process = psutil.Process(int(pid_file.read_text()))
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.prove
def test_what_is_wrong_with_postgresql_is_repaired_by_its_command(
    postgresql: PostgreSQL, postgresql_url: str, start_system: StartSystem
) -> None:
    require("psql")
    system = healthy(start_system, database_url=postgresql_url)
    with administrator(postgresql, postgresql_url) as admin:
        name = admin.scalar(text("SELECT current_database()"))
        for whose in (f"DATABASE {name}", f"ROLE CURRENT_USER IN DATABASE {name}"):
            admin.execute(text(f"ALTER {whose} SET synchronous_commit = off"))
            (finding,) = until_found(system, F.DURABILITY)
            repair(finding, system.folder, system.env)
            until_found(system)


@pytest.mark.prove
def test_what_is_wrong_with_mariadb_is_repaired_by_its_commands(
    mariadb: MariaDB, mariadb_url: str, start_system: StartSystem
) -> None:
    require("mysql")
    system = healthy(start_system, database_url=mariadb_url)
    with administrator(mariadb, mariadb_url) as admin:
        for fault, statement in (
            (F.DURABILITY, "SET GLOBAL innodb_flush_log_at_trx_commit = 2"),
            (F.COLLATION, f"ALTER TABLE bc_suppressions CONVERT TO {FOLDING}"),
            (F.PACKET, "SET GLOBAL max_allowed_packet = 1048576"),
        ):
            admin.execute(text(statement))
            (finding,) = until_found(system, fault)
            repair(finding, system.folder, system.env)
            until_found(system)


def require(program: str) -> None:
    """Skip where an operator's program is not on this machine."""
    if shutil.which(program) is None:
        not_proved(f"the printed command of {program}", "it is not on this machine")


@pytest.mark.prove
def test_a_database_older_than_the_code_is_upgraded_by_the_printed_command(
    start_system: StartSystem, installation: Path
) -> None:
    system = healthy(start_system)
    schema = installation / "models" / "schema.py"
    schema.write_text(
        schema.read_text().replace(
            'REVISIONS = ("2c8b6e04f9d1",', 'REVISIONS = ("2c8b6e04f9d1", "aaaaaaaaaaaa",'
        )
    )
    (installation / "migrations" / "versions" / "next.py").write_text(
        'from alembic import op\nrevision = "aaaaaaaaaaaa"\ndown_revision = "2c8b6e04f9d1"\n'
        "branch_labels = depends_on = None\n"
        'def upgrade():\n    op.execute("CREATE TABLE bc_next (id INTEGER)")\n'
        "def downgrade():\n    pass\n"
    )
    system.env |= {name: str(value) for name, value in of(installation).items()}

    (finding,) = until_found(system, F.DATABASE_OLD)
    repair(finding, system.folder, system.env)

    until_found(system)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 260 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        not_proved("a disk that is nearly full", "nothing can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.prove
def test_a_disk_that_is_nearly_full_is_found(disk: Path, start_system: StartSystem) -> None:
    system = healthy(start_system, database_url=f"sqlite:///{disk / 'broadcast.db'}")

    (disk / "old.log").write_bytes(bytes(70_000_000))
    until_found(system, F.DISK)

    (disk / "old.log").unlink()
    until_found(system)


@pytest.mark.prove
def test_a_deaf_worker_of_rabbitmq_is_found_and_takes_messages_again(
    rabbitmq_url: str, start_system: StartSystem
) -> None:
    system = healthy(start_system, CELERY_BROKER_URL=rabbitmq_url)
    cancel("broadcast", "broadcast.enqueue")(system)

    (finding,) = until_found(system, F.WORKER_DEAF)
    repair(finding, system.folder, system.env)

    until_found(system)
