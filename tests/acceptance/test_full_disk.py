"""The disk of PostgreSQL or MariaDB is full under a running lane, and is not any more."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING, NoReturn

import psutil
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from tests.acceptance.administering import administrator, name_of
from tests.acceptance.recovery import Traffic, everybody_lives, for_seconds, start_all
from tests.kit.wait import until
from tests.servers.mariadb import MariaDB
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.acceptance.administering import Server
    from tests.acceptance.conftest import StartSystem
    from tests.servers.postgresql import PostgreSQL

FAULT_S = 2.0


def limit_files(server: Server, size: int | str) -> None:
    """Let no file of the server grow beyond *size* bytes: what it meets on a full disk."""
    program = shutil.which("prlimit")
    if program is None:
        not_proved(f"{name_of(server)} with a full disk", "no prlimit on this machine")
    pid = server.process.pid if isinstance(server, MariaDB) else server.pid
    leader = psutil.Process(pid)
    for process in (leader, *leader.children(recursive=True)):
        # Its own user may always do so; root needs a capability that containers lack.
        with contextlib.suppress(psutil.NoSuchProcess):
            command = [program, "--pid", str(process.pid), f"--fsize={size}:"]
            done = subprocess.run(
                command, user=process.uids().real, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0 or not process.is_running(), done.stderr


@pytest.mark.prove
def test_postgresql_with_a_full_disk_is_waited_for(
    postgresql: PostgreSQL, postgresql_url: str, start_system: StartSystem
) -> None:
    system = start_system(followers=300, latency_ms=20, database_url=postgresql_url)
    with administrator(postgresql, postgresql_url) as admin:
        # The history's file becomes larger than those of the log (16 MB), which must not be hit.
        # The small rows take what the large ones left of each page, and nobody looks for more.
        admin.execute(text("ALTER TABLE bc_events SET (autovacuum_enabled = false)"))
        for length, rows in ((1900, 10_000), (1, 40_000)):
            fill(admin, length=length, rows=f"generate_series(1, {rows})")
        admin.execute(text("DELETE FROM bc_events WHERE kind = 'filler'"))
        size = int(admin.scalar(text("SELECT pg_relation_size('bc_events')")) or 0)
        if size < 17_000_000:
            not_proved("PostgreSQL with a full disk", f"its table has {size} bytes only")
        traffic = Traffic(system, batches=150)
        start_all(system)
        traffic.wait_for_calls(2)

        limit_files(postgresql, size)
        try:
            # Where several wrote at once, the file grew by more than they needed.
            with pytest.raises(DBAPIError, match="could not extend file"):
                fill_up(admin, rows="generate_series(1, 1000)")
            until(
                lambda: any("could not extend file" in p.output for p in system.processes),
                40,
                "a worker that hears of the full disk",
            )
            with for_seconds(FAULT_S, lambda: None):
                standing = traffic.calls()
        finally:
            limit_files(postgresql, "unlimited")
        traffic.recovers("postgresql: disk full for 2 s")

    print(f"{standing} of 150 calls were made before")
    everybody_lives(system)
    traffic.ends_whole()


#: Larger than MariaDB's other files, which must not be hit: its log has 32 MB.
LARGE = 40_000_000


@pytest.mark.prove
def test_mariadb_with_a_full_disk_is_waited_for(
    mariadb: MariaDB, mariadb_url: str, start_system: StartSystem
) -> None:
    system = start_system(followers=600, latency_ms=20, database_url=mariadb_url)
    name = make_url(mariadb_url).database
    file = mariadb.folder / "data" / str(name) / "bc_events.ibd"
    with administrator(mariadb, mariadb_url) as admin:
        while file.stat().st_size < LARGE:
            fill(admin, length=8_000, rows="seq_1_to_1000")
        traffic = Traffic(system, batches=300)
        start_all(system)
        traffic.wait_for_calls(2)

        limit_files(mariadb, file.stat().st_size)
        try:
            # What the file has left would do for the whole broadcast, and so would what a long
            # transaction gives back.
            for rows in ("seq_1_to_1000", "seq_1_to_1"):
                with pytest.raises(DBAPIError, match="is full"):
                    fill_up(admin, rows=rows)
            until(
                lambda: any("is full" in p.output for p in system.processes),
                40,
                "a worker that hears of the full disk",
            )
            with for_seconds(FAULT_S, lambda: None):
                standing = traffic.calls()
        finally:
            limit_files(mariadb, "unlimited")
        traffic.recovers("mariadb: disk full for 2 s")
        admin.execute(text("DELETE FROM bc_events WHERE kind = 'filler'"))

    print(f"{standing} of 300 calls were made before")
    everybody_lives(system)
    traffic.ends_whole()


def fill_up(admin: Connection, *, rows: str) -> NoReturn:
    """Use up what the file has left, by the lines of a sequence in each transaction."""
    while True:
        fill(admin, length=1, rows=rows)


def fill(admin: Connection, *, length: int, rows: str) -> None:
    """Put a line into the history, which says nothing, for each one of a sequence."""
    filler = (
        "INSERT INTO bc_events (at, kind, who, detail)"
        f" SELECT now(), 'filler', 'test', repeat('x', {length}) FROM {rows}"
    )
    admin.execute(text(filler))
