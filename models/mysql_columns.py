"""MySQL's and MariaDB's own: columns that fold case, and the longest statement that a server takes.

An OpenID, a key and a clientmsgid differ in the case of their letters alone. A table that somebody
converted to another collation takes two of them for one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import Engine, text

from models.engine import reachable, reader
from models.every_table import Base

_FOLDED: Final = text(
    "SELECT LOWER(CONCAT(table_name, '.', column_name)) FROM information_schema.columns"
    r" WHERE table_schema = DATABASE() AND collation_name LIKE '%\_ci'"
)
_LONGEST: Final = text("SELECT @@GLOBAL.max_allowed_packet")


def corrections(engine: Engine) -> dict[str, str]:
    """Return, by table, the statement that gives columns that fold case their own collation again.

    Raises DatabaseAwayError.
    """
    with reachable(), reader(engine).begin() as connection:
        folded = connection.scalars(_FOLDED).all()
    return dict(_corrections(engine.dialect, folded))


def _corrections(dialect: Any, folded: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, table in Base.metadata.tables.items():
        changes = []
        for one in table.columns:
            kind = one.type.compile(dialect)
            # Where a column has no collation of its own, the database's is as good.
            if f"{name}.{one.name}" in folded and "COLLATE" in kind:
                changes.append(f"MODIFY {one.name} {kind}{'' if one.nullable else ' NOT NULL'}")
        if changes:
            yield name, f"ALTER TABLE {name} {', '.join(changes)}"


def longest_statement(engine: Engine) -> int:
    """Return the most bytes that the server takes at once. Raises DatabaseAwayError."""
    with reachable(), reader(engine).begin() as connection:
        return int(connection.scalar(_LONGEST) or 0)
