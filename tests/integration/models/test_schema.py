"""Migrations and the models are in step on every engine; a start looks before it works."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    Engine,
    Inspector,
    create_engine,
    func,
    inspect,
    select,
    text,
    update,
)

from broadcast.errors import DatabaseAwayError, SchemaError
from broadcast.views.texts import LANGUAGES, Texts
from models import schema
from models.engine import open_engine
from models.every_table import Base, Installation
from tests.kit import ledger
from tests.kit.processes import ROOT, python_module
from tests.servers.fixtures import Launch

pytestmark = pytest.mark.every_database


def alembic(engine: Engine, do: Any, *words: str) -> None:
    """Run one of Alembic's commands in a transaction of its own."""
    with engine.connect() as connection:
        do(schema.alembic_config(connection), *words)
        connection.commit()


def test_upgrade_check_downgrade_and_upgrade_again(empty: Engine) -> None:
    assert schema.upgrade(empty) == (None, schema.HEAD)
    alembic(empty, command.check)
    alembic(empty, command.downgrade, "base")
    assert set(inspect(empty).get_table_names()) == {schema.VERSION_TABLE}
    assert schema.upgrade(empty) == (None, schema.HEAD)
    assert schema.upgrade(empty) == (schema.HEAD, schema.HEAD)
    alembic(empty, command.check)


def test_a_downgrade_deletes_no_broadcast(empty: Engine) -> None:
    schema.upgrade(empty)
    ledger.ended(empty)
    before = _rows(empty)
    with pytest.raises(CommandError, match=r"stored here \(1\): .* Nothing was changed"):
        alembic(empty, command.downgrade, "base")
    assert _rows(empty) == before


def _rows(engine: Engine) -> dict[str, int]:
    """Return how many rows each table has."""
    with engine.connect() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
        }


def test_migrated_schema_is_the_schema_of_the_models(empty: Engine) -> None:
    schema.upgrade(empty)
    migrated = described(empty)
    alembic(empty, command.downgrade, "base")
    Base.metadata.create_all(empty)
    assert migrated == described(empty)


def described(engine: Engine) -> dict[str, Any]:
    """Return everything that the engine itself says about each table."""
    seen = inspect(engine)
    with engine.connect() as connection:
        return {
            name: _columns_and_keys(seen, name) | {"ddl": _ddl(connection, name)}
            for name in Base.metadata.tables
        }


def _ddl(connection: Connection, name: str) -> list[str]:
    """Return MariaDB's own words; in what order keys were added makes no difference."""
    if connection.dialect.name != "mysql":
        return []
    told: str = connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1]
    return sorted(line.rstrip(",") for line in told.splitlines())


def _columns_and_keys(seen: Inspector, name: str) -> dict[str, Any]:
    return {
        "columns": [
            (column["name"], repr(column["type"]), column["nullable"], column["default"])
            for column in seen.get_columns(name)
        ],
        "primary key": seen.get_pk_constraint(name),
        "foreign keys": sorted(map(str, seen.get_foreign_keys(name))),
        "unique": sorted(map(str, seen.get_unique_constraints(name))),
        "indexes": sorted(
            str({**index, "dialect_options": sorted(map(str, _options(index)))})
            for index in seen.get_indexes(name)
        ),
    }


def _options(index: Any) -> Iterator[tuple[str, str]]:
    """Return what an engine says of an index; a condition is told by its text."""
    for name, value in index.get("dialect_options", {}).items():
        yield name, str(value)


def test_each_installation_has_one_row_with_an_id_of_its_own(empty: Engine, tmp_path: Path) -> None:
    schema.upgrade(empty)
    other = open_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    schema.upgrade(other)
    found = [installation(engine) for engine in (empty, other)]
    other.dispose()
    assert len({row.id for row in found}) == 2
    assert {len(row.id) for row in found} == {32}
    assert {row.oldest_compatible for row in found} == {1}
    schema.upgrade(empty)
    assert installation(empty) == found[0]


def installation(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(Installation.__table__)).one()


@pytest.mark.parametrize("revision", ["3f6a1c9d2b70", "4d17c05e2f8a", "5e2b7c90d1f4"])
def test_database_of_a_development_version_is_refused_and_left_as_it_is(
    empty: Engine, revision: str
) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("CREATE TABLE batches (id INTEGER NOT NULL)"))
        connection.execute(
            text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision}
        )
    for ask in (schema.check, schema.upgrade):
        with pytest.raises(SchemaError) as caught:
            ask(empty)
        assert caught.value.message_id == "error.schema.development"
        for language in LANGUAGES:
            assert revision in Texts(language)(caught.value)
    assert set(inspect(empty).get_table_names()) == {"alembic_version", "batches"}


def test_tables_of_a_former_first_revision_are_refused(empty: Engine) -> None:
    schema.upgrade(empty)
    with empty.begin() as connection:
        former = text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '7c1e04b9a2d6'")
        connection.execute(former)
    for ask in (schema.check, schema.upgrade):
        with pytest.raises(SchemaError, match="7c1e04b9a2d6") as caught:
            ask(empty)
        assert caught.value.message_id == "error.schema.development"


def test_app_may_share_its_database_with_us(empty: Engine) -> None:
    """Its tables and its revision are neither compared, nor moved, nor taken for ours."""
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of the app')"))
        connection.execute(text("CREATE TABLE batches (id INTEGER NOT NULL, bread VARCHAR(9))"))
    with pytest.raises(SchemaError) as caught:
        schema.check(empty)
    assert caught.value.message_id == "error.schema.missing"

    assert schema.upgrade(empty) == (None, schema.HEAD)
    schema.check(empty)
    alembic(empty, command.check)

    alembic(empty, command.downgrade, "base")
    assert set(inspect(empty).get_table_names()) == {
        "alembic_version",
        "batches",
        schema.VERSION_TABLE,
    }
    with empty.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert found == "of the app"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("openids MEDIUMBLOB NOT NULL", "openids BLOB NOT NULL"),
        ("at DATETIME(6) NOT NULL", "at DATETIME NOT NULL"),
        (
            "kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
            "kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL",
        ),
    ],
)
def test_check_sees_a_wrong_variant_on_mariadb(mariadb_url: str, before: str, after: str) -> None:
    """The comparison silences false alarms only."""
    engine = open_engine(mariadb_url)
    schema.upgrade(engine)
    name = "bc_chunks" if "openids" in before else "bc_events"
    alembic(engine, command.check)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {name} MODIFY COLUMN {after}")
    with pytest.raises(Exception, match="New upgrade operations detected"):
        alembic(engine, command.check)
    engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE bc_batches ADD COLUMN extra INTEGER",
        "ALTER TABLE bc_batches ALTER COLUMN depth SET DEFAULT 1",
        "DROP INDEX ix_bc_batches_poll_at",
        "ALTER TABLE bc_attempts ALTER COLUMN errcode TYPE BIGINT",
    ],
)
def test_check_sees_a_difference_on_postgresql(postgresql_url: str, change: str) -> None:
    engine = open_engine(postgresql_url)
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(Exception, match="New upgrade operations detected"):
        alembic(engine, command.check)
    engine.dispose()


def test_of_several_upgrades_at_once_one_works_and_all_end_well(
    empty: Engine, database_url: str, launch: Launch
) -> None:
    upgrade = python_module("tests.integration.models.one_upgrade", database_url)
    running = [launch(upgrade, warm=True) for _ in range(3)]
    assert [process.wait(timeout_s=60) for process in running] == [0, 0, 0]
    told = sorted(process.output.split("upgraded ")[1].split()[0] for process in running)
    assert told == [schema.HEAD, schema.HEAD, "None"]
    schema.check(empty)


def test_upgrade_waits_for_the_lock(empty: Engine) -> None:
    entered, ended = threading.Event(), threading.Event()

    def other() -> None:
        entered.set()
        schema.upgrade(empty)
        ended.set()

    thread = threading.Thread(target=other)
    with schema.locked(empty):
        thread.start()
        entered.wait()
        assert not ended.wait(0.5)
    thread.join(60)
    assert ended.is_set()


#: By database: a version table that others may read and nobody may write.
HELD = {
    "postgresql": "LOCK TABLE bc_alembic_version IN EXCLUSIVE MODE",
    "mysql": "LOCK TABLES bc_alembic_version READ",
}


def test_upgrade_that_meets_a_table_in_use_says_so_and_what_to_type(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if empty.dialect.name not in HELD:
        pytest.skip("the lock of SQLite is one for all tables")
    monkeypatch.setattr(schema, "TABLE_WAIT_S", 1)
    made = "CREATE TABLE bc_alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    with empty.connect() as other:
        other.exec_driver_sql(made)
        other.commit()
        other.exec_driver_sql(HELD[empty.dialect.name])
        with pytest.raises(SchemaError, match=r"error\.schema\.in_use"):
            schema.upgrade(empty)
        other.invalidate()

    # MariaDB keeps what a revision had done before the statement that waited.
    if empty.dialect.name == "postgresql":
        assert schema.upgrade(empty) == (None, schema.HEAD)


def test_upgrade_that_fails_leaves_sqlite_as_it_was(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(sqlite_url)

    def fail(_connection: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema, "_check_references", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        schema.upgrade(engine)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_check_tells_missing_and_old(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SchemaError, match="broadcast db upgrade") as caught:
        schema.check(empty)
    assert caught.value.message_id == "error.schema.missing"
    schema.upgrade(empty)
    schema.check(empty)
    monkeypatch.setattr(schema, "HEAD", "the next one")
    with pytest.raises(SchemaError, match="broadcast db upgrade") as caught:
        schema.check(empty)
    assert caught.value.message_id == "error.schema.old"


def test_newer_schema_passes_where_it_says_that_this_program_may_work_on_it(empty: Engine) -> None:
    schema.upgrade(empty)
    _of_the_future(empty, oldest_compatible=schema.NUMBER)
    schema.check(empty)
    # A container of the release before starts once more while the new one is rolled out.
    assert schema.upgrade(empty) == ("of the future", "of the future")


def test_newer_schema_that_is_not_for_this_program_is_refused(empty: Engine) -> None:
    schema.upgrade(empty)
    _of_the_future(empty, oldest_compatible=schema.NUMBER + 1)
    for ask in (schema.check, schema.upgrade):
        with pytest.raises(SchemaError, match="of the future") as caught:
            ask(empty)
        assert caught.value.message_id == "error.schema.new"


def _of_the_future(engine: Engine, *, oldest_compatible: int) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = 'of the future'"))
        connection.execute(update(Installation).values(oldest_compatible=oldest_compatible))


def test_check_is_quick_and_imports_no_alembic(empty: Engine) -> None:
    schema.upgrade(empty)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        schema.check(empty)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.02
    asked = "import sys, models.schema; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False).returncode == 0


def test_check_of_an_absent_database_says_so() -> None:
    with pytest.raises(DatabaseAwayError):
        schema.check(open_engine("postgresql://nobody@127.0.0.1:1/none"))


def test_revisions_are_those_of_the_folder() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(schema.alembic_config(connection))
    known = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(known)) == schema.REVISIONS
    assert scripts.get_heads() == [schema.HEAD]


def test_revisions_import_nothing_of_ours() -> None:
    for path in (schema.MIGRATIONS / "versions").glob("*.py"):
        imported = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        assert set(imported) <= {
            "__future__",
            "alembic",
            "collections",
            "csv",
            "pathlib",
            "secrets",
            "sqlalchemy",
            "typing",
        }, path.name


def test_alembic_command_works_from_any_directory(sqlite_url: str, launch: Launch) -> None:
    """As developers and containers call it; it takes DATABASE_URL."""
    program = Path(sys.executable).with_name("alembic")
    for words in (("upgrade", "head"), ("check",), ("downgrade", "base"), ("upgrade", "head")):
        process = launch(
            [program, "-c", ROOT / "pyproject.toml", *words], env={"DATABASE_URL": sqlite_url}
        )
        assert process.wait(timeout_s=60) == 0, process.output
    engine = open_engine(sqlite_url)
    schema.check(engine)
    engine.dispose()
