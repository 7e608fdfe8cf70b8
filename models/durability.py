"""Durable commits: a claim that a power cut takes back would be a follower who is called twice.

The settings are read on a connection of ours, because a role, a database or a URL can change what
the server's own file says.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from broadcast.errors import DurabilityError
from models.engine import reachable, reader

#: PRAGMA synchronous: 0 OFF, 1 NORMAL, 2 FULL, 3 EXTRA. In WAL mode NORMAL may lose the last
#: commits (SQLite page "Pragma statements", synchronous).
_SQLITE_FULL = 2


def check(engine: Engine) -> None:
    """Raise DurabilityError, naming setting and remedy, unless a commit outlives a power cut.

    Raises DatabaseAwayError when the database cannot be reached.
    """
    look = {"sqlite": _sqlite, "postgresql": _postgresql}.get(engine.dialect.name, _mysql)
    with reachable(), reader(engine).begin() as connection:
        look(connection)


def _sqlite(connection: Connection) -> None:
    """Demand WAL, which `memory` and a shared file system cannot give, and FULL.

    The engine asks for both at every connection; here is read what SQLite made of it.
    """
    mode = str(_value(connection, "PRAGMA journal_mode"))
    if mode != "wal":
        raise DurabilityError("error.durability.journal_mode", found=mode)
    level = int(str(_value(connection, "PRAGMA synchronous")))
    if level < _SQLITE_FULL:
        raise DurabilityError("error.durability.synchronous", found=level)


def _postgresql(connection: Connection) -> None:
    """Demand that a commit waits for the log, and that the log is forced to the disk.

    `local`, `remote_write` and `remote_apply` all wait for the local disk (PostgreSQL page "Write
    Ahead Log", synchronous_commit). Without fsync the server forces nothing, whatever they say.
    """
    for setting in ("synchronous_commit", "fsync"):
        found = str(_value(connection, f"SHOW {setting}"))
        if found == "off":
            raise DurabilityError(f"error.durability.{setting}", found=found)


def _mysql(connection: Connection) -> None:
    """Demand that InnoDB flushes its log at every commit, and the binary log too if there is one.

    After a crash InnoDB takes back what it has prepared and the binary log does not have (MySQL
    page "Binary Logging Options and Variables", sync_binlog).
    """
    found = int(str(_value(connection, "SELECT @@innodb_flush_log_at_trx_commit")))
    if found != 1:
        raise DurabilityError("error.durability.innodb_flush_log_at_trx_commit", found=found)
    found = int(str(_value(connection, "SELECT IF(@@log_bin, @@sync_binlog, 1)")))
    if found != 1:
        raise DurabilityError("error.durability.sync_binlog", found=found)


def _value(connection: Connection, query: str) -> object:
    return connection.exec_driver_sql(query).scalar_one()
