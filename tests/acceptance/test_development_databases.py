"""A database that a development version made: refused by every command, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect

from tests.kit.command_line import CommandLine

REVISIONS = ["3f6a1c9d2b70", "4d17c05e2f8a", "6b0d92e7a41c", "5e2b7c90d1f4"]
COMMANDS = {
    "db upgrade": ("db", "upgrade"),
    "send": ("send", "--openids", "list.txt", "--text", "a"),
    "list": ("list",),
    "audit": ("audit",),
    "reconcile": ("reconcile",),
    "halt": ("halt", "--all"),
}


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line with a list; its database is made by each test."""
    (tmp_path / "list.txt").write_text("\n".join(f"oTEST{n:023}" for n in range(4)), "ascii")
    made = CommandLine(tmp_path)
    made.database.parent.mkdir()
    return made


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_command_refuses_it_and_makes_no_table(line: CommandLine, revision: str) -> None:
    line.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    line.execute("INSERT INTO alembic_version VALUES (:revision)", revision=revision)
    line.execute("CREATE TABLE broadcasts (id VARCHAR(32) NOT NULL)")

    for name, words in COMMANDS.items():
        refused = line.run(*words)
        assert (refused.status, len(refused.lines)) == (3, 1), name
        assert revision in refused.err
        assert "DATABASE_URL" in refused.err
    with line.ledger() as engine:
        assert set(inspect(engine).get_table_names()) == {"alembic_version", "broadcasts"}


def test_another_app_s_migrations_beside_ours_are_left_alone(line: CommandLine) -> None:
    line.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    line.execute("INSERT INTO alembic_version VALUES ('abcdef012345')")

    assert line.run("db", "upgrade").status == 0
    assert line.run(*COMMANDS["send"]).status == 0
    with line.ledger() as engine, engine.connect() as connection:
        theirs = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert theirs == "abcdef012345"
