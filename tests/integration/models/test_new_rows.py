"""A new row that another process wrote first is written again; any other refusal comes at once."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from models.ledger.rows.transaction import write_new

TABLE = "CREATE TABLE new_rows (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL UNIQUE)"


@pytest.fixture
def table(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text(TABLE))
        connection.execute(text("INSERT INTO new_rows VALUES (1, 'first')"))
    return engine


@pytest.mark.parametrize(
    ("row", "tries"), [("(2, 'first')", 3), ("(1, 'other')", 3), ("(2, NULL)", 1)]
)
def test_only_a_duplicate_is_written_again(table: Engine, row: str, tries: int) -> None:
    made = []

    def insert(connection: Connection) -> None:
        made.append(1)
        connection.execute(text(f"INSERT INTO new_rows VALUES {row}"))

    try:
        with pytest.raises(IntegrityError):
            write_new(table, insert)
    finally:
        with table.begin() as connection:
            connection.execute(text("DROP TABLE new_rows"))
    assert len(made) == tries
