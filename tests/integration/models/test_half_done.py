"""An upgrade that was ended in its middle is run again; it takes no table of somebody else."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.pool import NullPool

from broadcast.errors import DatabaseAwayError, SchemaError
from models import schema
from models.engine import open_engine
from models.every_table import Base
from tests.integration.models.test_schema import alembic, described, installation
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.processes import python_module
from tests.servers.fixtures import Launch
from tests.shadow.test_rolling_upgrade import EXPAND
from tools.migration_rules import problems

pytestmark = pytest.mark.every_database

#: Where the first upgrade is killed: right before the statement that begins so.
POINTS = (
    "CREATE TABLE bc_installation ",
    "CREATE INDEX ix_bc_broadcasts_finished_at ",
    "CREATE TABLE bc_batches ",
    "INSERT INTO bc_installation ",
    "INSERT INTO bc_alembic_version ",
)
#: The same, of a made-up second revision.
LATER = (
    "ALTER TABLE bc_batches ADD COLUMN weather ",
    "CREATE TABLE bc_forecasts ",
    "CREATE INDEX ix_bc_batches_weather ",
    "UPDATE bc_alembic_version ",
)
CONTRACT = '''"""A made-up revision: older programs cannot work beside it."""

from alembic import op

revision = "bbbbbbbbbbbb"
down_revision = "{head}"
branch_labels = depends_on = None
KIND = "contract"


def upgrade() -> None:
    op.execute("UPDATE bc_installation SET oldest_compatible = {number}")
    BODY


def downgrade() -> None:
    raise NotImplementedError
'''
DROPS = """
    op.drop_index("ix_bc_batches_poll_at", "bc_batches")
    op.drop_column("bc_webhooks", "url")
    with op.batch_alter_table("bc_events") as events:
        events.create_check_constraint(op.f("ck_bc_events_kind"), "kind <> ''")
        events.create_unique_constraint(op.f("uq_bc_events_id_at"), ["id", "at"])
        events.create_foreign_key(
            op.f("fk_bc_events_broadcast_id"), "bc_broadcasts", ["broadcast_id"], ["id"]
        )
    op.drop_index("ix_bc_drafts_looked_at", "bc_drafts")
    op.drop_column("bc_drafts", "looked_at")
    with op.batch_alter_table("bc_drafts") as drafts:
        drafts.drop_constraint("fk_bc_drafts_broadcast_id_bc_broadcasts", type_="foreignkey")
    op.drop_table("bc_drafts")
"""


def killed(launch: Launch, url: str, point: str) -> None:
    process = launch(python_module("tests.integration.models.one_upgrade", url, point), warm=True)
    assert process.wait(timeout_s=60) == -signal.SIGKILL, process.output


@pytest.mark.parametrize("point", POINTS)
def test_a_first_upgrade_that_was_killed_is_run_again(
    empty: Engine, database_url: str, launch: Launch, point: str
) -> None:
    killed(launch, database_url, point)
    # The other databases take all of it back.
    left = [name for name in inspect(empty).get_table_names() if name in Base.metadata.tables]
    assert bool(left) is (empty.dialect.name == "mysql" and point != POINTS[0])

    assert schema.upgrade(empty) == (None, schema.HEAD)
    assert installation(empty).oldest_compatible == 1
    alembic(empty, command.check)
    found = described(empty)
    alembic(empty, command.downgrade, "base")
    schema.upgrade(empty)
    assert found == described(empty)


def test_a_later_upgrade_that_fails_before_any_of_its_statements_is_run_again(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = schema.HEAD
    schema.upgrade(empty)
    _with_revision(EXPAND, tmp_path / "migrations", monkeypatch)

    for point in LATER:
        with failing(point), pytest.raises(RuntimeError, match="power cut"):
            schema.upgrade(empty)
    assert schema.upgrade(empty) == (first, schema.HEAD)

    seen = inspect(empty)
    assert [one["name"] for one in seen.get_columns("bc_batches")].count("weather") == 1
    assert [one["name"] for one in seen.get_indexes("bc_batches")].count(LATER[2].split()[2]) == 1
    assert len(seen.get_foreign_keys("bc_forecasts")) == 1


def test_what_a_contract_revision_did_may_be_done_already(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.upgrade(empty)
    _with_revision(CONTRACT.replace("BODY", DROPS), tmp_path / "migrations", monkeypatch)
    with failing("UPDATE bc_alembic_version"), pytest.raises(RuntimeError, match="power cut"):
        schema.upgrade(empty)

    schema.upgrade(empty)

    seen = inspect(empty)
    assert "ix_bc_batches_poll_at" not in {one["name"] for one in seen.get_indexes("bc_batches")}
    assert "url" not in {one["name"] for one in seen.get_columns("bc_webhooks")}
    assert [one["name"] for one in seen.get_check_constraints("bc_events")] == ["ck_bc_events_kind"]
    assert [one["name"] for one in seen.get_unique_constraints("bc_events")] == [
        "uq_bc_events_id_at"
    ]
    assert [one["name"] for one in seen.get_foreign_keys("bc_events")] == [
        "fk_bc_events_broadcast_id"
    ]
    assert "bc_drafts" not in seen.get_table_names()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ('op.execute("CREATE TABLE bc_bread (id INTEGER, n INTEGER)")', "CREATE TABLE bc_bread"),
        (
            'op.rename_table("bc_webhooks", "bc_bread")',
            "ALTER TABLE bc_webhooks RENAME TO bc_bread",
        ),
        ('op.create_index("ix_bc_cake", "bc_cake", ["n"])', "CREATE INDEX ix_bc_cake ON bc_cake"),
        (
            'op.create_foreign_key("fk", "bc_events", "bc_broadcasts", ["kind"], ["created_at"])',
            "ALTER TABLE bc_events ADD CONSTRAINT fk FOREIGN KEY(kind) REFERENCES bc_broadcasts",
        ),
    ],
)
def test_what_mariadb_refuses_for_another_cause_is_not_taken_for_done(
    mariadb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, named: str
) -> None:
    engine = open_engine(mariadb_url)
    schema.upgrade(engine)
    first = schema.HEAD
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bc_bread (bread VARCHAR(9))"))
    _with_revision(CONTRACT.replace("BODY", statement), tmp_path / "migrations", monkeypatch)

    for _ in range(2):
        assert refused(engine) == named

    with engine.connect() as connection:
        assert schema.current(connection) == first
    assert [one["name"] for one in inspect(engine).get_columns("bc_bread")] == ["bread"]
    engine.dispose()


#: How somebody else ends a session.
ENDS = {"postgresql": "SELECT pg_terminate_backend({}, 10000)", "mysql": "KILL {}"}
OWN_ID = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}


def test_a_connection_that_is_lost_amid_an_upgrade_is_no_failed_statement(empty: Engine) -> None:
    if empty.dialect.name not in ENDS:
        pytest.skip("a file has no session that others could end")
    ended: list[int] = []

    def end(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if statement.strip().startswith(POINTS[2]) and not ended:
            cursor.execute(OWN_ID[empty.dialect.name])
            ended.extend(cursor.fetchone())
            with create_engine(connection.engine.url, poolclass=NullPool).connect() as other:
                other.exec_driver_sql(ENDS[empty.dialect.name].format(*ended))

    event.listen(Engine, "before_cursor_execute", end)
    try:
        with pytest.raises(DatabaseAwayError):
            schema.upgrade(empty)
    finally:
        event.remove(Engine, "before_cursor_execute", end)

    assert schema.upgrade(empty) == (None, schema.HEAD)


@contextmanager
def failing(point: str) -> Iterator[None]:
    """Fail before the first statement that begins so."""

    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.strip().startswith(point):
            raise RuntimeError("power cut")

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", fail)


def _with_revision(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a revision the newest one of this program."""
    shutil.copytree(schema.MIGRATIONS, folder)
    said = source.format(head=schema.HEAD, number=2)
    assert list(problems(said)) == []
    revision = said.partition('revision = "')[2].partition('"')[0]
    (folder / "versions" / f"29991231_{revision}_made_up.py").write_text(said, encoding="utf-8")
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, revision))
    monkeypatch.setattr(schema, "HEAD", revision)


def test_a_table_of_somebody_else_is_not_taken_and_named(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE bc_batches (id INTEGER NOT NULL, bread VARCHAR(9))"))

    for _ in range(2):
        assert refused(empty) == "CREATE TABLE bc_batches"

    assert {one["name"] for one in inspect(empty).get_columns("bc_batches")} == {"id", "bread"}


@pytest.mark.parametrize("emptied", [(), ("bc_installation",)])
def test_tables_in_use_are_not_taken_where_the_version_is_missing(
    empty: Engine, emptied: tuple[str, ...]
) -> None:
    schema.upgrade(empty)
    broadcast = ledger.broadcast(empty)
    with empty.begin() as connection:
        for name in (schema.VERSION_TABLE, *emptied):
            connection.execute(text(f"DELETE FROM {name}"))

    for _ in range(2):
        assert refused(empty).startswith("CREATE TABLE bc_")

    with empty.connect() as connection:
        found = connection.scalar(text("SELECT id FROM bc_broadcasts"))
    assert found == broadcast


def refused(engine: Engine) -> str:
    """Try to upgrade; return the statement that failed."""
    with pytest.raises(SchemaError) as caught:
        schema.upgrade(engine)
    assert caught.value.message_id == "error.schema.failed"
    return str(caught.value.facts["statement"]).strip()


def test_an_upgrade_that_stops_in_its_middle_says_where_and_why_and_what_to_type(
    tmp_path: Path, mariadb_url: str
) -> None:
    engine = open_engine(mariadb_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bc_batches (id INTEGER NOT NULL)")
    line = CommandLine(tmp_path, {"DATABASE_URL": mariadb_url})

    stopped = line.run("db", "upgrade")

    assert (stopped.status, stopped.out) == (3, "")
    assert stopped.err == (
        "Error: The upgrade of the database stopped at CREATE TABLE bc_batches: "
        """(1050, "Table 'bc_batches' already exists"). Nothing is lost: correct the cause, """
        "then run `broadcast db upgrade` again.\n"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE bc_batches")
    assert line.run("db", "upgrade").status == 0
    engine.dispose()
