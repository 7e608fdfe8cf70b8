"""First tables: their columns and indexes stand in the files beside this one.

Revision ID: 2c8b6e04f9d1
Revises:

"""

from __future__ import annotations

import csv
import secrets
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from alembic.util import CommandError
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

revision = "2c8b6e04f9d1"
down_revision = None
branch_labels = None
depends_on = None

BIG_INTEGER = sa.BigInteger()
TYPES: dict[str, TypeEngine[Any]] = {
    "integer": sa.Integer(),
    "bigint": BIG_INTEGER,
    "serial": BIG_INTEGER.with_variant(sa.Integer(), "sqlite"),
    "moment": sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
    "packed": sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"),
    "long text": sa.Text().with_variant(
        mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    ),
    "flag": sa.Boolean(),
}
Items = dict[str, list[sa.schema.SchemaItem]]


def upgrade() -> None:
    for table, items in _tables().items():
        op.create_table(table, *items)
    _installed()


def downgrade() -> None:
    _check_empty()
    for table in reversed(_tables()):
        # Indexes and constraints go with their table.
        op.drop_table(table)


def _tables() -> Items:
    """Return the columns, constraints and indexes of each table, by its name."""
    tables: Items = defaultdict(list)
    for row in _rows("columns"):
        tables[row["table"]].append(_column(row))
    for row in _rows("indexes"):
        tables[row["table"]].append(_index(row["index"], row["columns"].split()))
    return tables


def _rows(name: str) -> Iterator[dict[str, str]]:
    file = Path(__file__).with_name(f"first_tables.{name}.csv")
    return csv.DictReader(file.read_text("utf-8").splitlines())


def _column(row: dict[str, str]) -> sa.Column[Any]:
    to = [sa.ForeignKey(row["references"])] if row["references"] else []
    # Of what is required, but unknown to a release before.
    default = sa.text(row["value"]) if row["value"].isdigit() else None
    return sa.Column(
        row["column"],
        _type(row["type"]),
        *to,
        nullable=row["value"] == "optional",
        primary_key=row["value"] == "key",
        autoincrement=row["type"] == "serial",
        server_default=default,
    )


def _type(name: str) -> TypeEngine[Any]:
    """Return a type; with a length: ``ascii`` names, keys, OpenIDs; ``words`` of people."""
    kind, _, length = name.partition(" ")
    if name in TYPES:
        return TYPES[name]
    if kind == "ascii":
        return _ascii(int(length))
    return _words(int(length))


def _ascii(length: int) -> TypeEngine[str]:
    """Return the type of case-sensitive names, keys and OpenIDs."""
    on_mysql = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    on_postgresql = postgresql.VARCHAR(length, collation="C")
    return (
        sa.String(length)
        .with_variant(on_mysql, "mysql", "mariadb")
        .with_variant(on_postgresql, "postgresql")
    )


def _words(length: int) -> TypeEngine[str]:
    """Return the type of words of people."""
    on_mysql = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(on_mysql, "mysql", "mariadb")


def _index(name: str, columns: list[str]) -> Index | UniqueConstraint:
    """Return an index; without a name: a constraint that no two rows have the same."""
    if not name:
        return UniqueConstraint(*columns)
    return Index(name, *(_descending(one) if one[0] == "-" else one for one in columns))


def _descending(column: str) -> sa.UnaryExpression[Any]:
    return sa.column(column.removeprefix("-")).desc()


def _check_empty() -> None:
    """Raise CommandError where there is a broadcast: who got it stands nowhere else."""
    if context.is_offline_mode():
        return
    stored = op.get_bind().scalar(sa.text("SELECT count(*) FROM bc_broadcasts"))
    if stored:
        raise CommandError(
            f"Broadcasts are stored here ({stored}): a downgrade to base would delete them, and "
            "who got them. Nothing was changed. To delete them all the same, drop the database."
        )


def _installed() -> None:
    """Say who this database is, and that programs of the first schema may work on it."""
    now = {
        "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        "postgresql": "clock_timestamp()",
    }.get(op.get_bind().dialect.name, "utc_timestamp(6)")
    columns: list[sa.ColumnClause[object]] = [
        sa.column(name) for name in ("number", "id", "created_at", "oldest_compatible", "notes")
    ]
    op.execute(
        sa.insert(sa.table("bc_installation", *columns)).values(
            number=1,
            id=secrets.token_hex(16),
            created_at=sa.text(now),
            oldest_compatible=1,
            notes=0,
        )
    )
