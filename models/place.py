"""The place of a database: what a copy of it does not have.

A dump has no place, and what is restored from it has another one; so has a copied file. A database
that is restored where it was has the same.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, update

from models.installation import Installation

_POSTGRESQL: Final = (
    "SELECT system_identifier, oid FROM pg_control_system(), pg_database"
    " WHERE datname = current_database()"
)
#: Where the role may not ask for the server's identifier.
_POSTGRESQL_GUARDED: Final = "SELECT '-', oid FROM pg_database WHERE datname = current_database()"
_MAY_ASK: Final = "SELECT has_function_privilege('pg_control_system()', 'execute')"
_MYSQL: Final = "SELECT @@server_uuid, DATABASE()"
#: MariaDB has no id of a server that outlives its container: when the table was made stays with the
#: files, and a dump makes it anew.
_MARIADB: Final = (
    "SELECT UNIX_TIMESTAMP(create_time), table_schema FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = 'bc_installation'"
)


def place_of(connection: Connection) -> str:
    """Return where the database lives."""
    if connection.dialect.name == "sqlite":
        return _of_file(connection)
    server, database = connection.exec_driver_sql(_query(connection)).one()
    return f"{connection.dialect.name} {server} {database}"


def note_place(connection: Connection) -> None:
    """Note where the database lives, unless that is known."""
    none_yet = update(Installation).where(Installation.place.is_(None))
    connection.execute(none_yet.values(place=place_of(connection)))


def _query(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        return _POSTGRESQL if _may_ask(connection.engine) else _POSTGRESQL_GUARDED
    return _MARIADB if getattr(connection.dialect, "is_mariadb", False) else _MYSQL


@functools.lru_cache(maxsize=64)
def _may_ask(engine: Engine) -> bool:
    """Return whether PostgreSQL gives this role its identifier."""
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql(_MAY_ASK).scalar_one())


def _of_file(connection: Connection) -> str:
    # The first is the database itself; a temporary one may stand beside it.
    named = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    file = Path(named).resolve()
    return f"sqlite {file} {file.stat().st_ino}"
