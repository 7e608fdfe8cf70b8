"""Copies of a database, as a backup, a restore and a staging copy make them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text

from models.engine import parse


def copied(url: str, name: str) -> str:
    """Copy a database beside itself; return the URL of the copy. Nobody may use it meanwhile."""
    to = make_url(url)
    if to.get_backend_name() == "sqlite":
        file = Path(str(to.database))
        beside = file.with_name(f"{name}.db")
        with closing(sqlite3.connect(file)) as one, closing(sqlite3.connect(beside)) as other:
            one.backup(other)
        return f"sqlite:///{beside}"
    # A folder of pytest's is new each time; a database of that name may be left from a test before.
    fresh = to.set(database=f"{to.database}_{name}")
    with _server(url) as connection:
        _copy(connection, str(to.database), str(fresh.database))
    return fresh.render_as_string(hide_password=False)


def restored(copy: str, url: str) -> None:
    """Put a copy in the place of a database, which nobody uses.

    A file is written over, a database of MariaDB is filled anew, one of PostgreSQL is made anew.
    """
    source, target = make_url(copy), make_url(url)
    if target.get_backend_name() == "sqlite":
        file = Path(str(target.database))
        for tail in ("-wal", "-shm"):
            file.with_name(file.name + tail).unlink(missing_ok=True)
        with closing(sqlite3.connect(str(source.database))) as one:
            one.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.write_bytes(Path(str(source.database)).read_bytes())
        return
    with _server(url) as connection:
        if target.get_backend_name() == "postgresql":
            _copy(connection, str(source.database), str(target.database))
        else:
            _fill(connection, str(source.database), str(target.database))


@contextmanager
def _server(url: str) -> Iterator[Connection]:
    where = parse(url)
    if where.get_backend_name() == "postgresql":
        where = where.set(database="postgres")
    engine: Engine = create_engine(where, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _copy(connection: Connection, source: str, target: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)'))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": source},
        )
        connection.execute(text(f'CREATE DATABASE "{target}" TEMPLATE "{source}"'))
        return
    connection.execute(text(f"DROP DATABASE IF EXISTS `{target}`"))
    connection.execute(text(f"CREATE DATABASE `{target}`"))
    for table in inspect(connection).get_table_names(schema=source):
        connection.execute(text(f"CREATE TABLE `{target}`.`{table}` LIKE `{source}`.`{table}`"))
    _fill(connection, source, target)


def _fill(connection: Connection, source: str, target: str) -> None:
    connection.execute(text("SET foreign_key_checks = 0"))
    for table in inspect(connection).get_table_names(schema=source):
        connection.execute(text(f"DELETE FROM `{target}`.`{table}`"))
        connection.execute(
            text(f"INSERT INTO `{target}`.`{table}` SELECT * FROM `{source}`.`{table}`")
        )
