"""Durable commits: a claim that a power cut takes back would be a follower who is called twice.

The settings are read on a connection of ours, because a role, a database or a URL can change what
the server's own file says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

from broadcast.errors import DurabilityError
from models.engine import reachable, reader

#: PRAGMA synchronous: 0 OFF, 1 NORMAL, 2 FULL, 3 EXTRA. In WAL mode NORMAL may lose the last
#: commits (SQLite page "Pragma statements", synchronous).
_SQLITE_FULL = 2

#: Asks a connection for one value.
Ask = Callable[[str], object]


def check(engine: Engine) -> None:
    """Raise DurabilityError, naming setting and remedy, unless a commit outlives a power cut.

    Raises DatabaseAwayError when the database cannot be reached.
    """
    with reachable(), reader(engine).begin() as connection:
        _read_settings(engine, lambda query: connection.exec_driver_sql(query).scalar_one())


def demand(engine: Engine) -> None:
    """Check each new connection of *engine*; refuse it with DurabilityError.

    A setting can change while we run, and holds for the connections that come after.
    """

    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:
        cursor = dbapi.cursor()

        def ask(query: str) -> object:
            cursor.execute(query)
            return cursor.fetchone()[0]

        try:
            _read_settings(engine, ask)
            cursor.close()
            dbapi.rollback()
        except DurabilityError:
            dbapi.close()
            raise


def _read_settings(engine: Engine, ask: Ask) -> None:
    {"sqlite": _sqlite, "postgresql": _postgresql}.get(engine.dialect.name, _mysql)(ask)


def _sqlite(ask: Ask) -> None:
    """Demand WAL, which `memory` and a shared file system cannot give, and FULL.

    The engine asks for both at every connection; here is read what SQLite made of it.
    """
    mode = str(ask("PRAGMA journal_mode"))
    if mode != "wal":
        raise DurabilityError("error.durability.journal_mode", found=mode)
    level = int(str(ask("PRAGMA synchronous")))
    if level < _SQLITE_FULL:
        raise DurabilityError("error.durability.synchronous", found=level)


def _postgresql(ask: Ask) -> None:
    """Demand that a commit waits for the log, and that the log is forced to the disk.

    `local`, `remote_write` and `remote_apply` all wait for the local disk (PostgreSQL page "Write
    Ahead Log", synchronous_commit). Without fsync the server forces nothing, whatever they say.
    """
    for setting in ("synchronous_commit", "fsync"):
        found = str(ask(f"SHOW {setting}"))
        if found == "off":
            raise DurabilityError(f"error.durability.{setting}", found=found)


def _mysql(ask: Ask) -> None:
    """Demand that InnoDB flushes its log at every commit, and the binary log too if there is one.

    After a crash InnoDB takes back what it has prepared and the binary log does not have (MySQL
    page "Binary Logging Options and Variables", sync_binlog).
    """
    found = int(str(ask("SELECT @@innodb_flush_log_at_trx_commit")))
    if found != 1:
        raise DurabilityError("error.durability.innodb_flush_log_at_trx_commit", found=found)
    found = int(str(ask("SELECT IF(@@log_bin, @@sync_binlog, 1)")))
    if found != 1:
        raise DurabilityError("error.durability.sync_binlog", found=found)
