"""Runs migrations, and compares the models with the database for `alembic check`.

The connection comes from ``config.attributes["connection"]`` where a caller brings its own (its
transaction and its lock then hold around everything); else from ``DATABASE_URL``, under the lock.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.ddl.base import AddColumn, DropColumn
from alembic.ddl.mysql import MySQLImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import (
    AddConstraint,
    CreateIndex,
    CreateTable,
    DropConstraint,
    DropIndex,
    DropTable,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from broadcast.settings.program_settings import Settings
from models.base import EnumText, Moment, ascii_string
from models.engine import open_engine, reachable
from models.every_table import Base
from models.schema import VERSION_TABLE, locked


class _Repeatable(MySQLImpl):
    """MySQL and MariaDB commit each statement: what an upgrade did before it was ended is kept."""

    __dialect__ = "mysql"

    def _exec(self, construct: Any, *options: Any, **more: Any) -> Any:  # noqa: ANN401
        try:
            return super()._exec(construct, *options, **more)
        except DBAPIError as error:
            said: Any = error.orig
            match construct, said.args[0]:
                # A table of others lacks a column of ours, and one that was in use has rows.
                case CreateTable(element=it), 1050:
                    with suppress(DBAPIError):
                        if self._exec(it.select().limit(1)).first() is None:
                            return None
                case AddColumn() | AddConstraint() | CreateIndex(), 1060 | 1061 | 1826:
                    return None
                # So MariaDB says of a foreign key that it exists already.
                case AddConstraint(), 1005 if "errno: 121 " in said.args[1]:
                    return None
                # What is dropped exists no more; or the table that it was in does not.
                case DropTable(), 1051:
                    return None
                case DropColumn() | DropConstraint() | DropIndex(), 1091 | 1146:
                    return None
            raise


def _differs(  # noqa: PLR0917 - Alembic calls it so
    migration: MigrationContext,
    _inspected: Column[Any],
    column: Column[Any],
    found: TypeEngine[Any],
    wanted: TypeEngine[Any],
) -> bool | None:
    """Compare what would be created with what is there; None leaves it to Alembic.

    Alembic compares the general type of a column, without the variant for this engine, so MySQL's
    MEDIUMBLOB would be reported as a change from LargeBinary forever. The variant is what was
    created, and it is compared by its own DDL; the collation stands apart in the inspected type.
    """
    if migration.dialect.name not in {"mysql", "mariadb"}:
        return None
    kind, present = (
        re.split(" CHARACTER SET| COLLATE", one.compile(dialect=migration.dialect))[0]
        for one in (column.type, found)
    )
    synonyms = {"BOOL": "TINYINT(1)", "BIGINT": "BIGINT(20)", "INTEGER": "INTEGER(11)"}
    if synonyms.get(kind, kind) != synonyms.get(present, present):
        return True
    collation = getattr(wanted.dialect_impl(migration.dialect), "collation", None)
    return collation is not None and collation != getattr(found, "collation", None)


def _render(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own types into a revision as what they are made of: revisions import no models."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    if isinstance(item, Moment):
        autogen.imports.add("from sqlalchemy.dialects import mysql")
        return "sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')"
    if isinstance(item, EnumText):
        return _repr_type(ascii_string(32), autogen)
    raise TypeError(f"migrations/env.py does not know how to write {item!r} into a revision")


def _is_ours(
    _item: object, name: str | None, kind: str, _reflected: object, _compared: object
) -> bool:
    """Leave out the tables of an app that shares its database with us."""
    return kind != "table" or name is None or name.startswith("bc_")


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        include_object=_is_ours,
        compare_type=_differs,
        compare_server_default=True,
        transaction_per_migration=True,
        # SQLite cannot alter a column: it copies the table and moves it into place.
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


def _online() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    engine = open_engine(Settings.load().database(), pool_size=1)
    try:
        with reachable(), locked(engine) as connection:
            _migrate(connection)
    finally:
        engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Offline mode is not supported: SQLite's batch mode must read the table.")
_online()
