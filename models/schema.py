"""The schema's version: what this program needs and what the database has.

Workers and commands look (:func:`check`) and refuse; only ``broadcast db upgrade`` migrates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, column, inspect, select, table, text
from sqlalchemy.exc import DBAPIError

from broadcast.errors import DatabaseAwayError, SchemaError, of_file
from models.engine import open_engine, parse, reachable, reader

if TYPE_CHECKING:
    from alembic.config import Config

#: The revisions in ``migrations/versions``, oldest first. Kept here as well, because a look at
#: every start of a command must not cost the import of Alembic (a test holds the two together).
REVISIONS = ("2c8b6e04f9d1",)
HEAD = REVISIONS[-1]
#: Which schema this program was written for: how many revisions there are. A revision that older
#: programs cannot work with writes its own number into ``bc_installation.oldest_compatible``.
NUMBER = len(REVISIONS)
#: Databases with these were made while the program was being developed.
_OF_DEVELOPMENT = frozenset(
    {
        "3f6a1c9d2b70",
        "4d17c05e2f8a",
        "6b0d92e7a41c",
        "5e2b7c90d1f4",
        "7c1e04b9a2d6",
        "9d3f5a71c8e4",
    }
)
#: Of our own: an app may share its database with us, and has a table ``alembic_version`` then.
VERSION_TABLE = "bc_alembic_version"
#: What a person types to get from an old schema to this one.
COMMAND = "broadcast db upgrade"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

#: How long one upgrade waits for another one.
LOCK_WAIT_S = 600
#: How long a statement of a migration waits for a table that is in use: everybody else queues up
#: behind it meanwhile.
TABLE_WAIT_S = 10
#: What PostgreSQL and MySQL say then.
_TABLE_IN_USE = {"55P03", 1205}
_LOCK_NAME = "broadcast-migrate"
_VERSION = table(VERSION_TABLE, column("version_num"))
_FORMER = table("alembic_version", column("version_num"))
_INSTALLATION = table("bc_installation", column("oldest_compatible"), column("id"))


def check_present(url: str) -> None:
    """Raise SchemaError for a SQLite file that is not there: opening it would leave an empty one.

    Raises SettingsError for what is no URL of a database, DatabaseAwayError where this user may not
    look.
    """
    parsed = parse(url)
    if parsed.get_backend_name() != "sqlite":
        return
    try:
        Path(str(parsed.database)).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(parsed) from None
    except OSError as error:
        raise DatabaseAwayError("error.database.file", cause=of_file(error)) from None


def check(engine: Engine) -> None:
    """Raise SchemaError unless this program may work on the database.

    A newer schema passes where it says that programs of this one may work on it. Raises
    DatabaseAwayError when the database cannot be reached.
    """
    with reachable(), reader(engine).begin() as connection:
        found = current(connection)
        compatible = found is None or found in REVISIONS or _is_compatible(connection)
    if found is None:
        raise _missing(engine.url)
    if found in REVISIONS and found != HEAD:
        raise SchemaError("error.schema.old", found=found, wanted=HEAD, command=COMMAND)
    if not compatible:
        raise SchemaError("error.schema.new", found=found, wanted=HEAD, command=COMMAND)


def _missing(url: URL) -> SchemaError:
    """Return the error that this database has no tables, named without a secret."""
    if url.get_backend_name() == "sqlite":
        named = str(url.database)
        folder = Path(named).absolute().parent
        if not folder.exists():
            return SchemaError(
                "error.schema.no_folder", command=COMMAND, database=named, folder=folder
            )
    else:
        # Options may hold a password, too.
        named = url.set(query={}).render_as_string(hide_password=True)
    return SchemaError("error.schema.missing", command=COMMAND, database=named)


def _is_compatible(connection: Connection) -> bool:
    """Return whether a schema that this program does not know says that it may work on it."""
    oldest = connection.scalar(select(_INSTALLATION.c.oldest_compatible))
    return oldest is not None and oldest <= NUMBER


def installation(engine: Engine) -> str:
    """Return the id of the database, which a copy of it has as well. Raises DatabaseAwayError."""
    with reachable(), reader(engine).begin() as connection:
        return str(connection.scalar(select(_INSTALLATION.c.id)))


def current(connection: Connection) -> str | None:
    """Return the database's revision, or None if it has no schema.

    Raises SchemaError for a database that was made while the program was being developed.
    """
    tables = inspect(connection)
    if not tables.has_table(_VERSION.name):
        if tables.has_table(_FORMER.name):
            _check_not_development(connection.scalars(select(_FORMER.c.version_num)))
        return None
    found = connection.scalars(select(_VERSION.c.version_num)).all()
    _check_not_development(found)
    # Alembic itself keeps one row; several come from branches, which this program has none of.
    return "+".join(sorted(found)) or None


def _check_not_development(found: Iterable[str]) -> None:
    if made := _OF_DEVELOPMENT.intersection(found):
        raise SchemaError("error.schema.development", found=", ".join(sorted(made)))


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Migrate to the newest revision under a lock; return the revision before and after.

    Of several processes at once one works, the others wait and find it done. Raises SchemaError
    when the database is newer than this program and not for it, when a table stays in use or a
    statement fails, DatabaseAwayError when it cannot be reached.
    """
    from alembic import command  # noqa: PLC0415 - only a migration needs it; a start must be quick

    with reachable(), locked(engine) as connection:
        before = current(connection)
        if before is not None and before not in REVISIONS:
            if _is_compatible(connection):
                return before, before
            raise SchemaError("error.schema.new", found=before, wanted=HEAD, command=COMMAND)
        if engine.dialect.name != "sqlite":
            # The look began a transaction; each revision shall have its own.
            connection.commit()
        try:
            command.upgrade(alembic_config(connection), "head")
        except DBAPIError as error:
            if error.connection_invalidated:
                raise  # The server is away, whatever the statement was.
            said: Any = error.orig
            raise SchemaError(
                "error.schema.in_use"
                if _TABLE_IN_USE & {getattr(said, "sqlstate", None), *said.args}
                else "error.schema.failed",
                seconds=TABLE_WAIT_S,
                command=COMMAND,
                cause=said,
                statement=(error.statement or "COMMIT").split(" (")[0],
            ) from None
    return before, HEAD


def alembic_config(connection: Connection) -> Config:
    """Return what Alembic's commands need to work on *connection*; no ``alembic.ini`` is read."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def locked(engine: Engine) -> Iterator[Connection]:
    """Give a connection on which nobody else migrates meanwhile; what it did is committed."""
    hold = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}.get(engine.dialect.name, _on_mysql)
    with _patient(engine) as patient, patient.connect() as connection, hold(connection):
        yield connection


@contextmanager
def _patient(engine: Engine) -> Iterator[Engine]:
    """Give an engine whose statements may take long: the wait for the lock, the copy of a table."""
    if engine.dialect.name != "mysql":
        yield engine
        return
    patient = open_engine(engine.url, pool_size=1, patient=True)
    try:
        yield patient
    finally:
        patient.dispose()


@contextmanager
def _on_sqlite(connection: Connection) -> Iterator[None]:
    """Hold the only writing transaction: it is the lock, and takes everything back if we die.

    No lock file then lies beside the database, and no file system can misunderstand it.
    """
    driver = connection.connection.cursor()
    # Batch mode drops the table that it has copied, which a foreign key would forbid; SQLite's
    # switch for that works outside of a transaction only.
    driver.execute("PRAGMA foreign_keys=OFF")
    driver.execute(f"PRAGMA busy_timeout={LOCK_WAIT_S * 1000}")
    try:
        with connection.begin():
            yield
            _check_references(connection)
    finally:
        connection.invalidate()  # the next user gets a connection with the settings of the engine


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"the migration broke a foreign key of table {broken[0]}")


@contextmanager
def _on_postgresql(connection: Connection) -> Iterator[None]:
    """Hold an advisory lock of the session: it outlives the transactions of the migration."""
    key = {"key": int.from_bytes(hashlib.sha256(_LOCK_NAME.encode()).digest()[:7], "big")}
    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
    with _last_of_session(connection):
        connection.execute(text("SELECT pg_advisory_lock(:key)"), key)
        connection.commit()
        connection.exec_driver_sql(f"SET lock_timeout = '{TABLE_WAIT_S}s'")
        connection.commit()
        yield


@contextmanager
def _on_mysql(connection: Connection) -> Iterator[None]:
    """Hold a named lock of the session, with the database in its name: it counts server-wide."""
    database = hashlib.sha256((connection.engine.url.database or "").encode()).hexdigest()[:16]
    got = connection.scalar(
        text("SELECT GET_LOCK(:name, :wait)"),
        {"name": f"{_LOCK_NAME}-{database}", "wait": LOCK_WAIT_S},
    )
    if got != 1:
        raise SchemaError("error.schema.busy", seconds=LOCK_WAIT_S)
    with _last_of_session(connection):
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {TABLE_WAIT_S}")
        connection.commit()
        yield


@contextmanager
def _last_of_session(connection: Connection) -> Iterator[None]:
    """Commit what is done, and end the session: that lets its lock go, whatever went wrong."""
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.invalidate()
