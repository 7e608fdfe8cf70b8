"""One way to open each database."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from broadcast.errors import DatabaseAwayError, EncodingError, SettingsError
from broadcast.views.texts import Texts
from models import engine as engines
from models import schema
from models.accounts import Lane
from models.engine import open_engine, parse, reachable, reader
from models.ledger.lane import leases
from models.ledger.rows import transaction
from models.ledger.rows.transaction import read, write
from tests.kit import ledger, template
from tests.kit.wait import until
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.every_database


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////var/lib/b.db", "sqlite"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg"),
        ("mysql://u:p@h/d", "mysql+pymysql"),
        ("mariadb://u:p@h/d", "mysql+pymysql"),
    ],
)
def test_url_is_given_the_driver_that_is_installed(url: str, driver: str) -> None:
    assert parse(url).drivername == driver
    if "mysql" in driver:
        assert parse(url).query["charset"] == "utf8mb4"
        assert parse(f"{url}?charset=utf8").query["charset"] == "utf8"


@pytest.mark.parametrize("url", ["oracle://u@h/d", "no url at all", "sqlite://", ""])
def test_other_urls_are_refused_by_the_name_of_the_variable(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_engine(url)
    assert "DATABASE_URL" in Texts("en")(caught.value.message)


def test_password_stands_in_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    for scheme in ("postgresql", "mysql"):
        engine = open_engine(f"{scheme}://someone:hunter2-secret@127.0.0.1:1/none")
        with pytest.raises(DatabaseAwayError) as caught, read(engine):
            raise AssertionError("never connected")
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert "hunter2" not in repr(engine)


def test_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a' / 'b' / 'c.db'}")
    with read(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


@pytest.fixture
def on_file(sqlite_url: str) -> Iterator[tuple[Engine, Path]]:
    """A ledger with one broadcast, its connections pooled, and its SQLite file."""
    engine = open_engine(sqlite_url)
    schema.upgrade(engine)
    ledger.broadcast(engine)
    yield engine, Path(engine.url.database or "")
    engine.dispose()


def fence(engine: Engine) -> int:
    """Return the fence of the one lane."""
    with read(engine) as connection:
        return connection.scalars(select(Lane.fence)).one()


def test_sqlite_file_that_was_moved_away_is_an_absent_database_until_it_is_back(
    on_file: tuple[Engine, Path],
) -> None:
    engine, path = on_file
    before = fence(engine)
    away = path.rename(path.with_name("away.db"))
    for _ in range(3):
        with pytest.raises(DatabaseAwayError):
            leases.acquire(engine, "default", "me")
    assert not path.exists()

    away.rename(path)

    assert fence(engine) == before
    assert leases.acquire(engine, "default", "me") is not None


def test_sqlite_file_that_was_replaced_is_read_and_written_anew(
    on_file: tuple[Engine, Path], tmp_path: Path
) -> None:
    engine, path = on_file
    before = fence(engine)
    copy = tmp_path / "copy of it.db"
    engine.dispose()  # Whoever closes last brings the log into the file.
    shutil.copy(path, copy)
    assert fence(engine) == before
    leases.acquire(engine, "default", "me")
    assert fence(engine) == before + 1

    copy.replace(path)
    for name in (f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)

    assert fence(engine) == before
    assert leases.acquire(engine, "default", "other") is not None
    other = open_engine(engine.url)
    assert fence(other) == before + 1
    other.dispose()


def test_read_and_write_in_one_transaction_lose_no_update(engine: Engine) -> None:
    """What SQLite's driver loses as it comes: read, add one, write, in many threads."""
    ledger.broadcast(engine)
    together = threading.Barrier(4)

    def add_one(connection: Connection) -> None:
        fence = connection.execute(select(Lane.fence).with_for_update()).scalar_one()
        connection.execute(update(Lane).values(fence=fence + 1))

    def count(_n: int) -> None:
        together.wait()
        for _ in range(10):
            write(engine, add_one)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    with engine.connect() as connection:
        assert connection.scalar(select(Lane.fence)) == 40


def test_reader_does_not_wait_for_a_writer(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with engine.begin() as writer:
        writer.execute(text("CREATE TABLE t (x INTEGER)"))
        with reader(engine).begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM sqlite_master")) == 0
    engine.dispose()


def test_who_waited_in_turn_for_the_writer_of_sqlite_waits_no_second_time(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(sqlite_url)
    with engine.connect(), engine.connect():
        pass  # two connections of the pool, in which SQLite would wait half a minute
    with engine.begin(), transaction._turn(engine.pool):
        monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.2)
        begun = time.monotonic()
        with pytest.raises(DatabaseAwayError, match="locked"):
            write(engine, lambda _: None)
        assert 0.2 <= time.monotonic() - begun < 15
    with reader(engine).connect() as first, reader(engine).connect() as second:
        # Who takes the connection next waits as always.
        waits = [each.scalar(text("PRAGMA busy_timeout")) for each in (first, second)]
    assert sorted(waits) == [200, 30_000]
    engine.dispose()


def test_transactions_that_met_are_begun_again(engine: Engine) -> None:
    """Two writers take two rows in opposite order: the server rolls one of them back."""
    for name in ("a", "b"):
        ledger.broadcast(engine, owner=ledger.account(name))
    together = threading.Barrier(2, timeout=240)
    tries = []

    def cross(first: str, second: str) -> None:
        def work(connection: Connection) -> None:
            tries.append(first)
            for step, name in enumerate((first, second)):
                connection.execute(
                    update(Lane).where(Lane.account == name).values(fence=Lane.fence + 1)
                )
                if step == 0 and len(tries) <= 2 and engine.dialect.name != "sqlite":
                    together.wait()

        write(engine, work)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda pair: cross(*pair), [("a", "b"), ("b", "a")]))
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(Lane.fence))) == 4
    # On a busy machine those two may meet once more.
    assert len(tries) == 2 if engine.dialect.name == "sqlite" else len(tries) > 2


def test_broken_rule_is_no_absent_database(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(Lane).values(account="nobody", fence=0))

    with pytest.raises(IntegrityError):
        write(engine, work)


def test_lost_connection_is_an_absent_database() -> None:
    error = OperationalError("SELECT 1", {}, Exception("server closed\nmore"))
    with pytest.raises(DatabaseAwayError, match="server closed") as caught, reachable():
        raise error
    assert "more" not in str(caught.value)


def test_server_that_died_is_told_and_comes_back(
    postgresql_url: str, postgresql: PostgreSQL
) -> None:
    engine = open_engine(postgresql_url)
    with read(engine) as connection:
        assert engines.now(connection).tzinfo is UTC
    postgresql.kill()
    with pytest.raises(DatabaseAwayError), read(engine):
        raise AssertionError("never connected")
    postgresql.start()
    with read(engine) as connection:
        assert engines.now(connection).tzinfo is UTC
    engine.dispose()


@pytest.fixture
def impatient(mariadb_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A ledger on MariaDB that waits 1 s for a lock and 3 s for an answer."""
    monkeypatch.setattr(engines, "LOCK_WAIT_S", 1)
    monkeypatch.setattr(engines, "ANSWER_S", 3)
    engine = open_engine(mariadb_url)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def test_statement_to_a_mariadb_that_is_frozen_ends_by_itself(
    impatient: Engine, mariadb: MariaDB
) -> None:
    ledger.broadcast(impatient)

    def freeze_and_ask(connection: Connection) -> None:
        mariadb.freeze()
        connection.scalar(select(Lane.fence))

    began = time.monotonic()
    with pytest.raises(DatabaseAwayError):
        write(impatient, freeze_and_ask)
    # The server stays as it is: without an end to the wait nothing comes after this.
    assert time.monotonic() - began > 2.5

    # Nothing of the pool is fit for use any more: asked for a ping, then for a new connection.
    with pytest.raises(DatabaseAwayError):
        leases.acquire(impatient, "default", "me")

    mariadb.thaw()
    assert leases.acquire(impatient, "default", "me") is not None


def test_a_row_that_is_held_for_long_is_no_absent_mariadb(impatient: Engine) -> None:
    """Longer than an answer may take: the transaction is begun again until the row is free."""
    ledger.broadcast(impatient)
    tries = []

    def add_one(connection: Connection) -> None:
        tries.append(time.monotonic())
        connection.execute(update(Lane).values(fence=Lane.fence + 1))

    with ThreadPoolExecutor(1) as threads:
        with impatient.begin() as holder:
            holder.execute(select(Lane.fence).with_for_update())
            waiting = threads.submit(write, impatient, add_one)
            until(lambda: len(tries) > 4, 20, "four waits for the row that were given up")
        waiting.result(timeout=240)

    assert tries[-1] - tries[0] > 3
    with impatient.connect() as connection:
        assert connection.scalar(select(Lane.fence)) == 1


@pytest.mark.parametrize("server", ["postgresql_url", "mariadb_url"])
def test_client_that_is_stopped_in_a_transaction_loses_the_row_that_it_holds(
    server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue(server)
    # A busy machine may be silent for a second, too.
    prepared = template.migrated(url)
    ledger.broadcast(prepared)
    prepared.dispose()
    monkeypatch.setattr(engines, "STALLED_S", 1)
    engine = open_engine(url)

    def hold_and_fall_silent(connection: Connection) -> None:
        connection.execute(select(Lane.fence).with_for_update())
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(leases.acquire, engine, "default", "me")
            assert other.result(timeout=240) is not None
        # What it does when it wakes up is undone with the rest.
        connection.execute(update(Lane).values(fence=99))

    with pytest.raises(DatabaseAwayError):
        write(engine, hold_and_fall_silent)
    with engine.connect() as connection:
        assert connection.scalar(select(Lane.fence)) == 1
    engine.dispose()


def test_a_migration_waits_for_another_one_longer_than_an_answer_may_take(
    impatient: Engine,
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with schema.locked(impatient):
            began = time.monotonic()
            second = threads.submit(schema.upgrade, impatient)
            with pytest.raises(TimeoutError):
                second.result(timeout=4)
        assert second.result(timeout=240) == (schema.HEAD, schema.HEAD)
    assert time.monotonic() - began > 4


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_postgresql_in_an_encoding_without_chinese_is_refused_by_its_name(
    postgresql: PostgreSQL, encoding: str
) -> None:
    url = postgresql.fresh_database(f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    engine = open_engine(url)
    for _ in range(2):
        with pytest.raises(EncodingError) as caught, reachable(), engine.connect():
            pass
        assert caught.value.facts == {"name": "DATABASE_URL", "found": encoding}
    assert caught.value.exit_status == 3
    postgresql.drop_database(url)
