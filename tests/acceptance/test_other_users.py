"""A user who may not look where the installation lies: one line says so, with no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcast.rules.findings import Fault
from tests.acceptance.test_bad_input import obeying_permissions
from tests.kit.command_line import CommandLine


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that nobody may enter."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    return folder


def test_a_database_in_a_closed_folder_is_named(line: CommandLine, closed: Path) -> None:
    line.before = obeying_permissions()
    url = f"sqlite:///{closed / 'broadcast.db'}"

    for words in (["status"], ["doctor"]):
        done = line.run(*words, DATABASE_URL=url)

        assert "The database file cannot be used (Permission denied)" in done.err + done.out
        assert "Unexpected" not in done.err


def test_a_file_of_keys_in_a_closed_folder_keeps_the_doctor_from_nothing(
    line: CommandLine, closed: Path
) -> None:
    line.before = obeying_permissions()

    said = line.run("doctor", "--json", BROADCAST_API_KEYS_FILE=str(closed / "keys")).json

    assert said["error"] is None
    assert Fault.REDIS_AWAY in [one["id"] for one in said["findings"]]


@pytest.mark.parametrize("words", [["status"], ["doctor"], ["--help"]])
def test_a_command_in_a_closed_folder_says_so(
    line: CommandLine, tmp_path: Path, words: list[str]
) -> None:
    folder = tmp_path / "left"
    folder.mkdir()
    # It is closed once the command is in it.
    inside = ["sh", "-c", f'cd "{folder}" && chmod 0 . && exec "$@"', "sh"]
    line.before = [*inside, *obeying_permissions()]

    done = line.run(*words)

    assert "Traceback" not in done.err
    assert ".env cannot be read: Permission denied" in done.err + done.out or words == ["--help"]
