"""A part is away: exit 3, nothing lost, one line with what was stored and the command to repeat."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.command_line import CommandLine, Result
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.valkey import Valkey

PEOPLE = [f"oTEST{n:023}" for n in range(5)]
SEND = ("send", "--openids", "list.txt", "--text", "line one\nline 'two'")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with a good list; the database is not there yet."""
    (tmp_path / "list.txt").write_text("\n".join(PEOPLE), encoding="utf-8")
    with CommandLine(tmp_path) as made:
        yield made


def repeated(result: Result) -> list[str]:
    """Return the words of the command that the error names."""
    command = result.err.partition("broadcast send")[2].strip()
    # shlex knows no $'…', which stands for a line break here.
    words = shlex.split(command.replace("$'line one\\x0aline \\'two\\''", '"TEXT"'))
    return ["send", *[SEND[-1] if word == "TEXT" else word for word in words]]


def test_without_tables_it_names_the_command_that_makes_them(line: CommandLine) -> None:
    result = line.run(*SEND)

    assert (result.status, len(result.lines)) == (3, 1)
    assert "`broadcast db upgrade`" in result.err
    assert "Nothing was stored" in result.err
    # A look leaves no empty database behind.
    assert not line.database.exists()

    assert line.run("db", "upgrade").status == 0
    again = line.run(*repeated(result))
    assert again.status == 0, again
    assert line.rows()["bc_broadcasts"] == 1


def test_a_folder_that_is_not_there_and_a_file_that_is_no_database_are_told_as_such(
    line: CommandLine,
) -> None:
    (line.folder / "notes.txt").write_text("no database, and longer than a header of one\n" * 9)

    gone = line.run("status", DATABASE_URL=f"sqlite:///{line.folder}/gone/broadcast.db")
    notes = line.run("status", DATABASE_URL=f"sqlite:///{line.folder}/notes.txt")
    folder = line.run("status", DATABASE_URL=f"sqlite:///{line.folder}")
    upgrade = line.run("db", "upgrade", DATABASE_URL="sqlite:////proc/gone/broadcast.db")

    assert [one.status for one in (gone, notes, folder, upgrade)] == [3, 3, 3, 3]
    assert f"There is no folder {line.folder}/gone" in gone.err
    assert not (line.folder / "gone").exists()
    for told in (notes, folder, upgrade):
        assert "The database file cannot be used" in told.err
        assert "Start it" not in told.err


@pytest.mark.parametrize("words", [("status",), ("list",), ("pause", "x"), ("watch", "x")])
def test_every_command_names_the_upgrade(line: CommandLine, words: tuple[str, ...]) -> None:
    result = line.run(*words)

    assert (result.status, len(result.lines)) == (3, 1)
    assert "`broadcast db upgrade`" in result.err


def test_a_database_newer_than_the_program_is_told(line: CommandLine) -> None:
    line.run("db", "upgrade")
    line.execute("UPDATE bc_alembic_version SET version_num = 'ffffffffffff'")
    # The newer one says that programs as old as this one may work on it.
    assert line.run(*SEND).status == 0
    line.execute("UPDATE bc_installation SET oldest_compatible = 99")

    result = line.run(*SEND)

    assert (result.status, len(result.lines)) == (3, 1)
    assert "ffffffffffff" in result.err
    assert "newer" in result.err


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_database_that_refuses_is_told_without_its_password(
    line: CommandLine, scheme: str
) -> None:
    url = f"{scheme}://user:hunter2-password@{LOOPBACK}:{free_port()}/ledger"

    result = line.run(*SEND, DATABASE_URL=url)

    assert (result.status, len(result.lines)) == (3, 1), result
    assert "DATABASE_URL" in result.err
    assert "Nothing was stored" in result.err
    assert re.search(r"--key auto-[0-9a-f]{16}$", result.err.strip())
    assert "hunter2" not in result.err


def test_the_key_that_was_given_is_repeated(line: CommandLine) -> None:
    result = line.run(*SEND, "--key", "spring sale")

    assert result.err.count("--key") == 1
    assert "--key 'spring sale'" in result.err


def test_with_broker_and_wechat_away_it_is_stored_with_warnings(line: CommandLine) -> None:
    line.run("db", "upgrade")

    result = line.run(*SEND, "--key", "k1", "--json")

    assert result.status == 0, result
    assert result.json["state"] == "planning"
    assert result.json["audience"]["planned"] == len(PEOPLE)
    warnings, _, stored = result.err.partition("Stored as ")
    assert all(one.startswith("Warning") for one in warnings.splitlines()), result.err
    assert stored.endswith(f"    broadcast watch {result.json['id']}\n")
    assert "broker cannot be reached" in result.err
    assert line.rows()["bc_broadcasts"] == 1

    again = line.run(*SEND, "--key", "k1", "--json")
    assert (again.status, again.json["id"]) == (0, result.json["id"])
    assert line.rows()["bc_broadcasts"] == 1


def test_with_wechat_away_it_is_stored_unproved(line: CommandLine, valkey: Valkey) -> None:
    line.run("db", "upgrade")

    result = line.run(*SEND, REDIS_URL=valkey.url)

    assert result.status == 0, result
    assert "checked before the first call" in result.err
    assert "connection refused" in result.err
    assert "broker" not in result.err
    with valkey.client() as client:
        assert client.llen("broadcast") == 1


def test_a_dry_run_without_wechat_proves_nothing(line: CommandLine, valkey: Valkey) -> None:
    line.run("db", "upgrade")

    result = line.run(*SEND, "--dry-run", REDIS_URL=valkey.url)

    assert result.status == 3
    assert "Nothing was stored" in result.lines[-1]
    assert line.rows() == {}


@pytest.mark.parametrize("words", [("quota",), ("token", "refresh")])
def test_questions_to_wechat_say_that_it_is_away(
    line: CommandLine, valkey: Valkey, words: tuple[str, ...]
) -> None:
    result = line.run(*words, REDIS_URL=valkey.url)

    assert (result.status, len(result.lines)) == (3, 1), result
    assert "WECHAT_API_BASE" in result.err
    assert line.env["WECHAT_APPSECRET"] not in result.err


@pytest.mark.parametrize("words", [("quota",), ("token",), ("token", "show"), ("token", "refresh")])
def test_questions_about_the_token_say_that_redis_is_away(
    line: CommandLine, words: tuple[str, ...]
) -> None:
    result = line.run(*words)

    assert (result.status, len(result.lines)) == (3, 1), result
    assert "REDIS_URL" in result.err
