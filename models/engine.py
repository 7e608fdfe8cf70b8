"""The engine: one way to open each database, so that only the URL differs.

SQLite begins every writing transaction with ``BEGIN IMMEDIATE``: a read that becomes a write fails
at once there, whatever the time-out, and the driver by default loses updates silently.
"""

from __future__ import annotations

import functools
import inspect
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, or_, select
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SAWarning,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement

from broadcast.errors import DatabaseAwayError, EncodingError, SettingsError
from models.base import Moment

BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5
SILENT_S = 10
#: MySQL: a statement waits so long for somebody else's lock and is then begun again. Less than
#: ANSWER_S, or a busy row would look like a dead server.
LOCK_WAIT_S = SILENT_S
#: How long a server lets a client be silent inside a transaction, which has a lane's row perhaps:
#: one that was stopped there, or whose machine is gone, must not hold an account's lane for hours.
STALLED_S = SILENT_S
#: MySQL: how long a statement may take. PyMySQL has no other limit for a peer that died silently.
ANSWER_S = 2 * SILENT_S


class database_now(FunctionElement[datetime]):  # noqa: N801 - SQLAlchemy's way for functions
    """The database's clock. Decisions never use a worker's."""

    type = Moment()
    inherit_cache = True
    name = "database_now"


@compiles(database_now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(database_now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "clock_timestamp()"


@compiles(database_now, "mysql")
@compiles(database_now, "mariadb")
def _mysql_now(*_: Any, **__: Any) -> str:
    return "utc_timestamp(6)"


# Statements of the way of a call are built once: building one costs as much as running it.
_NOW = select(database_now())


def now(connection: Connection) -> datetime:
    """Return the database's present moment, aware UTC."""
    return connection.scalar(_NOW) or _impossible()


def _impossible() -> datetime:
    raise RuntimeError("the database has no clock")


def clock_ahead(engine: Engine) -> timedelta | None:
    """Return by how much the database's clock is ahead of this machine's; None: it has none.

    Raises DatabaseAwayError.
    """
    # A file has no clock but ours.
    if engine.dialect.name == "sqlite":
        return None
    with reachable(), reader(engine).begin() as connection:
        return now(connection) - datetime.now(UTC)


def is_long_past(
    at: InstrumentedAttribute[datetime | None], moment: datetime, *, after: timedelta
) -> ColumnElement[bool]:
    """Return the condition that nobody took a row, or woke somebody for it, for so long.

    A time to come was before the database's clock was set back.
    """
    return or_(at.is_(None), at < moment - after, at > moment + after)


def skips_locked(connection: Connection) -> bool:
    """Return whether the server knows SKIP LOCKED: MySQL 5.7 and MariaDB 10.5 do not, and wait."""
    dialect: Any = connection.dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return True
    oldest = (10, 6) if dialect.is_mariadb else (8, 0, 1)
    return bool(dialect.server_version_info >= oldest)


def parse(url: str | URL) -> URL:
    """Return *url* with the driver we ship; raise :class:`SettingsError` if it cannot be read."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    drivers = {
        "postgresql": "postgresql+psycopg",
        "postgres": "postgresql+psycopg",
        "mysql": "mysql+pymysql",
        "mariadb": "mysql+pymysql",
        "sqlite": "sqlite",
    }
    base = parsed.drivername.partition("+")[0] if parsed else ""
    if parsed is None or base not in drivers:
        raise SettingsError("error.settings.DATABASE_URL", name="DATABASE_URL")
    if base == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise SettingsError("error.database.memory")
    parsed = parsed.set(drivername=drivers[base])
    wrong = [name for name in parsed.query if not _takes(parsed, name)]
    if wrong:
        raise SettingsError("error.database.option", name="DATABASE_URL", options=", ".join(wrong))
    if base in {"mysql", "mariadb"} and "charset" not in parsed.query:
        parsed = parsed.update_query_dict({"charset": "utf8mb4"})
    return parsed


def _takes(url: URL, option: str) -> bool:
    """Return whether the driver knows *option* of *url* and can read its value.

    The drivers would refuse it in the first connection, each in its own way, SQLite's not at all.
    """
    # What SQLite's driver knows depends on whether the file is a URI.
    alone = {name: url.query[name] for name in {option, "uri"} & set(url.query)}
    kind: Any = url.get_dialect()
    driver = kind.import_dbapi()
    try:
        with warnings.catch_warnings(action="error", category=SAWarning):
            _, given = kind(dbapi=driver).create_connect_args(url.set(query=alone))
        match url.get_backend_name():
            case "postgresql":
                driver.conninfo.make_conninfo(**{k: v for k, v in given.items() if k != "context"})
            case "mysql":
                inspect.signature(driver.connections.Connection).bind(**given)
    except (SAWarning, ValueError, TypeError, driver.ProgrammingError):
        return False
    return True


def open_engine(url: str | URL, *, pool_size: int = 5, patient: bool = False) -> Engine:
    """Return an engine for *url*; nothing is connected yet.

    *patient* is for migrations, whose statements may take as long as they need.
    """
    parsed = parse(url)
    options: dict[str, Any] = {"pool_pre_ping": True, "hide_parameters": True}
    match parsed.get_backend_name():
        case "sqlite":
            folder = Path(parsed.database or "").absolute().parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                cause = f"{folder}: {error.strerror}"
                raise DatabaseAwayError("error.database.file", cause=cause) from None
            # The ping asks nothing of a local file.
            options |= {"pool_pre_ping": False, "connect_args": {"timeout": BUSY_TIMEOUT_S}}
        case "postgresql":
            # A peer that died silently must not hold a driver for the kernel's minutes.
            options["connect_args"] = {
                "connect_timeout": CONNECT_TIMEOUT_S,
                "keepalives_idle": SILENT_S,
                "keepalives_interval": SILENT_S,
                "keepalives_count": 2,
                "tcp_user_timeout": SILENT_S * 1000,
            }
        case _:
            options |= {
                "pool_recycle": 1800,
                # REPEATABLE READ would let a claim decide on an old snapshot.
                "isolation_level": "READ COMMITTED",
                "connect_args": {
                    "connect_timeout": CONNECT_TIMEOUT_S,
                    "read_timeout": None if patient else ANSWER_S,
                    "write_timeout": None if patient else ANSWER_S,
                },
            }
    engine = create_engine(parsed, pool_size=pool_size, max_overflow=pool_size, **options)
    if parsed.get_backend_name() == "mysql":
        event.listen(engine, "begin", _begin_on_mysql)
    event.listen(engine, "handle_error", _leave_what_is_read_only)
    if parsed.get_backend_name() == "sqlite":
        _prepare_sqlite(engine)
        if "uri" not in parsed.query:
            watch_file(engine, Path(parsed.database or "").absolute())
    elif not patient:
        prepare = {"mysql": _prepare_mysql, "postgresql": _prepare_postgresql}
        prepare[parsed.get_backend_name()](engine)
    if parsed.get_backend_name() == "postgresql":
        # Before SQLAlchemy's own look: what it reads comes as bytes in SQL_ASCII, and it fails.
        event.listen(engine, "connect", _check_encoding, insert=True)
    return engine


#: PostgreSQL: read-only transaction. MySQL: --read-only, read-only transaction, read-only mode.
_READ_ONLY_SQLSTATES = {"25006"}
_READ_ONLY_ERRNOS = {1290, 1792, 1836}


def _leave_what_is_read_only(context: ExceptionContext) -> None:
    """Give up a connection that refuses to write, and the others of its pool.

    A connection keeps what it found when it was opened: a file that was read-only, a server that
    became a replica. It would refuse for as long as the process lives.
    """
    error = context.original_exception
    first = error.args[0] if error.args else None
    if (
        getattr(error, "sqlite_errorname", "").startswith("SQLITE_READONLY")
        or getattr(error, "sqlstate", None) in _READ_ONLY_SQLSTATES
        or first in _READ_ONLY_ERRNOS
    ):
        context.is_disconnect = True


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None  # the driver shall not begin transactions on its own
        cursor = dbapi.cursor()
        cursor.execute(_busy_timeout(BUSY_TIMEOUT_S))
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        with _waiting_until(connection, options.get("sqlite_waits_until")):
            connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN IMMEDIATE"))


@contextmanager
def _waiting_until(connection: Connection, until: float | None) -> Iterator[None]:
    """Set until when SQLite waits for the writer, by the monotonic clock; None: as always."""
    if until is None:
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    driver.execute(_busy_timeout(max(0.0, until - time.monotonic())))
    try:
        yield
    finally:
        # One that was given up meanwhile is closed.
        with suppress(sqlite3.Error):
            driver.execute(_busy_timeout(BUSY_TIMEOUT_S))


def _busy_timeout(seconds: float) -> str:
    return f"PRAGMA busy_timeout={int(seconds * 1000)}"


def _begin_on_mysql(connection: Connection) -> None:
    first = connection.get_execution_options().get("mysql_begin")
    if first is not None:
        connection.exec_driver_sql(first)


def _prepare_mysql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:
        with dbapi.cursor() as cursor:
            # Of a row, and of a table that a migration changes.
            for wait in ("innodb_lock_wait_timeout", "lock_wait_timeout"):
                cursor.execute(f"SET SESSION {wait} = {LOCK_WAIT_S}")
            # MySQL has no such thing.
            if "mariadb" in dbapi.get_server_info().lower():
                cursor.execute(f"SET SESSION idle_transaction_timeout = {STALLED_S}")


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:
        dbapi.execute(f"SET SESSION idle_in_transaction_session_timeout = {STALLED_S * 1000}")
        dbapi.commit()


def _check_encoding(dbapi: Any, _record: object) -> None:
    """Raise EncodingError where PostgreSQL could not keep every text."""
    encoding = dbapi.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        dbapi.close()
        raise EncodingError("error.database.encoding", name="DATABASE_URL", found=encoding)


# Few, because an engine that is kept here keeps its connections.
@functools.lru_cache(maxsize=8)
def reader(engine: Engine) -> Engine:
    """Return *engine* for reading alone: it never waits for a writer, nor makes one wait."""
    return engine.execution_options(sqlite_begin="BEGIN")


#: What the server answered to a statement of ours: it was reached, and asking again is no use.
_OURS = (IntegrityError, ProgrammingError, DataError, NotSupportedError)


def _is_no_database(error: object) -> bool:
    """Return whether SQLite says that there is nothing to start: the file is the trouble."""
    return getattr(error, "sqlite_errorname", None) in {
        "SQLITE_NOTADB",
        "SQLITE_CORRUPT",
        "SQLITE_CANTOPEN",
    }


@contextmanager
def reachable(where: str = "") -> Iterator[None]:
    """Turn a driver's "cannot reach it" into :class:`DatabaseAwayError`, without its URL."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, _OURS) and not error.connection_invalidated:
            raise
        # The driver's first line names host and cause; psycopg and PyMySQL keep passwords out.
        cause = str(error.orig).strip().splitlines()[0] if str(error.orig) else type(error).__name__
        kind = "file" if _is_no_database(error.orig) else "away"
        problem = DatabaseAwayError(f"error.database.{kind}", cause=cause, where=where)
    except PoolTimeoutError as error:
        # All connections of this process stayed in use: the database is slow, not wrong.
        cause = str(error).partition("(")[0]
        problem = DatabaseAwayError("error.database.away", cause=cause, where=where)
    else:
        return
    raise problem


_KEY = "broadcast.file"


def watch_file(engine: Engine, path: Path) -> None:
    """Give up connections of *engine* once *path* is another file than the one they opened."""
    met = False

    @event.listens_for(engine, "do_connect")
    def _open(dialect: Any, _record: object, _args: object, options: dict[str, Any]) -> Any:
        if not met:
            return None  # The dialect opens it, and makes it.
        return dialect.connect(f"{path.as_uri()}?mode=rw", **{**options, "uri": True})

    @event.listens_for(engine, "connect")
    def _met(_dbapi: object, record: Any) -> None:
        nonlocal met
        met = True
        record.info[_KEY] = _identity(path)

    @event.listens_for(engine, "checkout")
    def _compare(_dbapi: object, record: Any, _proxy: object) -> None:
        if record.info[_KEY] != _identity(path):
            raise DisconnectionError(f"{path} is another file by now")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
