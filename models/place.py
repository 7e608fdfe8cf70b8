"""The place of a database: what a copy of it does not have, and what every process sees alike.

A dump has no place, and what is restored from it has another one; so has a copied file. A database
that is restored where it was has the same. A file has no path in its place: two containers may see
it under two.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, update

from models.installation import Installation

#: MariaDB has no id of a server that outlives its container: when the table was made stays with the
#: files, and a dump makes it anew. So does OPTIMIZE TABLE: then the server still has its name.
_QUERIES: Final = {
    "postgresql": "SELECT system_identifier, oid FROM pg_control_system(), pg_database"
    " WHERE datname = current_database()",
    "mysql": "SELECT @@server_uuid, DATABASE()",
    "mariadb": "SELECT UNIX_TIMESTAMP(create_time), table_schema, CONCAT(@@hostname, ':', @@port)"
    " FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = 'bc_installation'",
}
_MAY_ASK: Final = "SELECT has_function_privilege('pg_control_system()', 'execute')"


def place_of(connection: Connection) -> str:
    """Return where the database lives; empty where this process cannot tell."""
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    name = "mariadb" if is_mariadb else connection.dialect.name
    if name == "sqlite":
        return _of_file(connection)
    if name == "postgresql" and not _may_ask(connection.engine):
        return ""
    return " ".join(map(str, (name, *connection.exec_driver_sql(_QUERIES[name]).one())))


def note_place(connection: Connection) -> None:
    """Note where the database lives, unless that is known, or this process cannot tell."""
    none_yet = update(Installation).filter_by(place=None)
    connection.execute(none_yet.values(place=place_of(connection) or None))


@functools.lru_cache(maxsize=8)
def _may_ask(engine: Engine) -> bool:
    """Return whether PostgreSQL gives this role its identifier."""
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql(_MAY_ASK).scalar_one())


def _of_file(connection: Connection) -> str:
    # The first is the database itself; a temporary one may stand beside it.
    named = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    inode, volume = Path(named).stat().st_ino, os.statvfs(named).f_fsid
    # ext4, Btrfs and ZFS have an id of their own. A number of 32 bits is the device's, as XFS and
    # macOS have it, which may be another one after a restart.
    return f"sqlite {inode} {volume:x}" if volume >> 32 else f"sqlite {inode}"
