"""A database that may forget what it confirmed is refused by the name of its setting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, event, text

from broadcast.errors import DatabaseAwayError, DurabilityError, SettingsError
from models import durability
from models.engine import open_engine, reachable
from tests.kit.wait import until
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.every_database


def test_database_as_we_open_it_is_durable(empty: Engine) -> None:
    durability.check(empty)


def refused(engine: Engine, setting: str) -> None:
    with pytest.raises(DurabilityError) as caught:
        durability.check(engine)
    assert setting in str(caught.value)
    assert "\n" not in str(caught.value)
    engine.dispose()


def test_sqlite_that_syncs_less_is_refused(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)

    @event.listens_for(engine, "connect")
    def _hurry(dbapi: object, _record: object) -> None:
        dbapi.execute("PRAGMA synchronous=NORMAL")  # type: ignore[attr-defined]

    refused(engine, "synchronous")


def test_sqlite_without_wal_is_refused(sqlite_url: str) -> None:
    refused(create_engine(sqlite_url), "journal_mode")


def test_sqlite_in_memory_is_refused() -> None:
    refused(create_engine("sqlite://"), "journal_mode")
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(SettingsError, match=r"error\.database\.memory"):
            open_engine(url)


def test_postgresql_with_asynchronous_commits_is_refused(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    hasty = f"{postgresql_url}&options=-csynchronous_commit%3Doff"
    refused(open_engine(hasty), "synchronous_commit")
    local = f"{postgresql_url}&options=-csynchronous_commit%3Dlocal"
    engine = open_engine(local)
    durability.check(engine)
    engine.dispose()


@pytest.fixture
def careless_postgresql(postgresql: PostgreSQL, postgresql_url: str) -> Iterator[Engine]:
    engine = open_engine(postgresql_url)
    admin = engine.execution_options(isolation_level="AUTOCOMMIT")

    def turn(word: str) -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM {word}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        engine.dispose()

    turn("SET fsync = off")
    yield engine
    turn("RESET fsync")


def test_postgresql_without_fsync_is_refused(careless_postgresql: Engine) -> None:
    def told() -> str:
        try:
            durability.check(careless_postgresql)
        except DurabilityError as error:
            return str(error)
        return ""

    # The server takes the new configuration in shortly after it was told.
    assert "fsync" in until(told, 10, "the refusal")


@pytest.mark.parametrize("value", [0, 2])
def test_innodb_that_flushes_later_is_refused(
    mariadb: MariaDB, mariadb_url: str, value: int
) -> None:
    engine = open_engine(mariadb_url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}")
    try:
        refused(engine, "innodb_flush_log_at_trx_commit")
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        engine.dispose()


class LoggingMariaDB(MariaDB):
    """With a binary log, as a server that has replicas."""

    options = ("--log-bin=log", "--server-id=1", "--sync-binlog=0")


def test_binary_log_that_is_not_synced_is_refused(mariadb: MariaDB) -> None:
    """Only with a binary log: MariaDB's default has none, and then the setting means nothing."""
    with LoggingMariaDB() as server:
        refused(open_engine(server.fresh_database()), "sync_binlog")


def test_database_that_is_away_is_told_as_such() -> None:
    with pytest.raises(DatabaseAwayError):
        durability.check(open_engine("mysql://nobody@127.0.0.1:1/none"))


def test_setting_that_changes_while_we_run_is_seen_by_the_next_connection(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    engine = open_engine(postgresql_url)
    durability.demand(engine)
    database = engine.url.database
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {database} SET synchronous_commit = off")
        with pytest.raises(DurabilityError) as caught, reachable(), engine.connect():
            pass
        assert caught.value.message_id == "error.durability.synchronous_commit"

        connection.exec_driver_sql(f"ALTER DATABASE {database} RESET synchronous_commit")
        with engine.connect() as another:
            assert another.scalar(text("SHOW synchronous_commit")) == "on"
    engine.dispose()


def test_each_connection_of_a_mariadb_is_looked_at(mariadb: MariaDB, mariadb_url: str) -> None:
    engine = open_engine(mariadb_url)
    durability.demand(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        try:
            with pytest.raises(DurabilityError), reachable(), engine.connect():
                pass
        finally:
            connection.exec_driver_sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        with engine.connect():
            pass
    engine.dispose()


def test_connections_that_are_durable_pass_and_are_in_no_transaction(empty: Engine) -> None:
    engine = open_engine(empty.url)
    durability.demand(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE looked_at (n INTEGER)")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE looked_at")
    engine.dispose()
