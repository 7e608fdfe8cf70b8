"""The pages' way to restore a backup, after a crash."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs.pages import steps
from tests.kit.processes import ROOT

COPIES = re.compile(r"\b(cp|mv) .*var/", re.DOTALL)


def copies(page: str) -> tuple[str, str]:
    """Return the command that makes a backup and the one that restores it."""
    blocks = re.findall(
        r"^```console\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    typed = [step.command for block in blocks for step in steps(block)]
    backup, restore = (line for line in typed if COPIES.search(line))
    return backup, restore


def write(connection: sqlite3.Connection, text: str) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS sent (text)")
    connection.execute("INSERT INTO sent VALUES (?)", (text,))


def opened(database: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(database, isolation_level=None))


def stored(database: Path) -> list[str]:
    with opened(database) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM sent")]


@pytest.mark.parametrize("page", ["docs/operating.md", "docs/operating.zh.md"])
def test_nothing_that_was_stored_after_a_backup_is_in_the_restored_database(
    tmp_path: Path, page: str
) -> None:
    database = tmp_path / "var" / "broadcast.db"
    database.parent.mkdir()
    backup, restore = copies(page)
    with opened(database) as connection:
        write(connection, "before")
    subprocess.run(["sh", "-ec", backup], cwd=tmp_path, check=True)
    with opened(database) as connection:
        write(connection, "after")
        # What a crash leaves: the end of a connection would empty the -wal.
        shutil.copytree(database.parent, tmp_path / "crashed")
    shutil.copytree(tmp_path / "crashed", database.parent, dirs_exist_ok=True)

    subprocess.run(["sh", "-ec", restore], cwd=tmp_path, check=True)

    assert stored(database) == ["before"]
