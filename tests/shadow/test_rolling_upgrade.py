"""A release is replaced without a stop: two versions send one broadcast, on a schema that grew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from models import schema
from models.engine import open_engine
from tests.kit.processes import ROOT, RunningProcess
from tests.kit.wait import until
from tests.shadow.side import BATCH_SIZE, Side
from tests.shadow.versions import Version, archived
from tools.migration_rules import problems

#: The release before: the commit before images, units of systemd and quiet events came.
BEFORE = "c649fcfa05c9be19ff6f12f6dd1a1a26d3c28b63"
BATCHES = 40

#: What a later release may bring while this one is up: a column, a table and an index.
EXPAND = '''"""A made-up revision: what older programs need not know."""

import sqlalchemy as sa
from alembic import op

revision = "aaaaaaaaaaaa"
down_revision = "{head}"
branch_labels = depends_on = None
KIND = "expand"


def upgrade() -> None:
    op.add_column("bc_batches", sa.Column("weather", sa.String(32), nullable=True))
    op.create_table(
        "bc_forecasts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), sa.ForeignKey("bc_batches.id"), nullable=False),
    )
    op.create_index("ix_bc_batches_weather", "bc_batches", ["weather"])


def downgrade() -> None:
    raise NotImplementedError
'''
#: And the one after that.
CONTRACT = '''"""A made-up revision: older programs cannot work beside it."""

from alembic import op

revision = "bbbbbbbbbbbb"
down_revision = "aaaaaaaaaaaa"
branch_labels = depends_on = None
KIND = "contract"


def upgrade() -> None:
    op.execute("UPDATE bc_installation SET oldest_compatible = {number}")


def downgrade() -> None:
    raise NotImplementedError
'''


def wheel_of_tree(folder: Path) -> Path:
    """Return a folder from which the working tree is imported as a wheel installs it."""
    folder.mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "program")
    return folder / "program"


def with_revisions(program: Path, folder: Path, sources: Sequence[str]) -> Version:
    """Return a later release: the program with these revisions behind its own."""
    shutil.copytree(program, folder)
    known = list(schema.REVISIONS)
    for source in sources:
        revision = source.partition('revision = "')[2].partition('"')[0]
        file = folder / "migrations" / "versions" / f"29991231_{revision}_made_up.py"
        said = source.format(head=schema.HEAD, number=len(known) + 1)
        assert list(problems(said)) == []
        file.write_text(said, encoding="utf-8")
        known.append(revision)
    module = folder / "models" / "schema.py"
    own = 'REVISIONS = ("' + '", "'.join(schema.REVISIONS) + '",)'
    text = module.read_text("utf-8")
    assert own in text
    module.write_text(text.replace(own, f"REVISIONS = {tuple(known)!r}"), encoding="utf-8")
    return Version(folder.name, folder)


def callers(engine: Engine) -> list[str]:
    """Return who made each call that was answered, in their order."""
    query = "SELECT owner FROM bc_attempts WHERE outcome = 'accepted' ORDER BY id"
    with engine.connect() as connection:
        return list(connection.scalars(text(query)))


def path_of(version: Version, side: Side) -> dict[str, str]:
    """Return the environment with which a process of *side* is one of another version."""
    rest = side.env["PYTHONPATH"].partition(os.pathsep)[2]
    return {"PYTHONPATH": f"{version.folder}{os.pathsep}{rest}"}


def ended(worker: RunningProcess) -> str:
    worker.wait(timeout_s=60)
    return worker.output


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_yesterdays_worker_goes_on_beside_an_expand_revision_and_stops_at_a_contract(
    tmp_path: Path, database_url: str
) -> None:
    program = wheel_of_tree(tmp_path / "wheel")
    expanded = with_revisions(program, tmp_path / "expanded", [EXPAND])
    contracted = with_revisions(program, tmp_path / "contracted", [EXPAND, CONTRACT])
    before = archived(tmp_path / "before", BEFORE)
    # The first revision was edited in place until this release: today's program makes the tables.
    engine = open_engine(database_url)
    side = Side(Version("today", program), tmp_path / "side", database_url, hears_wechat=False)
    with side:
        side.simulator.set_switches(latency_ms=1_000)
        people = side.people("rolling", BATCH_SIZE * BATCHES)
        old = side.worker(**path_of(before, side))
        side.submit("rolling", {"openids": people})
        until(lambda: len(callers(engine)) >= 2, 60, "the old worker to send")

        side.command("db", "upgrade", **path_of(expanded, side))
        there = len(callers(engine))
        until(lambda: len(callers(engine)) >= there + 2, 60, "the old worker to go on")
        new = side.worker(**path_of(expanded, side))
        new.wait_for_line(" ready.", timeout_s=60)
        old.terminate()
        assert old.wait(timeout_s=60) == 0
        until(lambda: len(callers(engine)) == BATCHES, 120, "the new worker to send the rest")

        owners = callers(engine)
        assert len(set(owners)) == 2
        assert owners == sorted(owners, key=owners.index)
        assert set(side.simulator.delivered(people).values()) == {1}
        side.command("audit", "--all", **path_of(expanded, side))

        # One release later: what runs stops, and what starts says why.
        side.command("db", "upgrade", **path_of(contracted, side))
        assert "newer than this program" in ended(new)
        for paths in (path_of(before, side), {}, path_of(expanded, side)):
            assert "newer than this program" in ended(side.worker(**paths))
        last = side.worker(**path_of(contracted, side))
        last.wait_for_line(" ready.", timeout_s=60)
    engine.dispose()
