"""Standard output that is closed, full, or read by nobody: what was done is said elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.by_hand import seated
from tests.kit.command_line import CommandLine

PEOPLE = [f"oTEST{n:023}" for n in range(5)]
SEND = ("send", "--openids", "list.txt", "--text", "hello")
CLOSED, FULL, UNREAD = ">&-", ">/dev/full", "| true"
#: macOS has no such file.
TO = [CLOSED, UNREAD, *([FULL] if Path(FULL[1:]).exists() else [])]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    with seated(tmp_path, PEOPLE) as made:
        yield made


def run(line: CommandLine, to: str, *words: str) -> tuple[int, str]:
    """Run a command with its standard output sent there; return its status and standard error."""
    # The reader is gone before the command begins to write.
    script = (
        f'exec 3>&1; {{ sleep 0.2; "$@"; echo $? >&2; }} {to}'
        if to == UNREAD
        else (f'"$@" {to}; echo $? >&2')
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "entrypoints.cli.main", *words],
        cwd=line.folder,
        env=line.environment({}),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        timeout=240,
        check=False,
    )
    *told, status = done.stderr.splitlines()
    return int(status), "\n".join(told)


@pytest.mark.parametrize("to", TO)
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_broadcast_is_stored_and_its_id_stands_on_standard_error(
    line: CommandLine, to: str, as_json: tuple[str, ...]
) -> None:
    status, told = run(line, to, *SEND, *as_json)

    sent = line.run("status", "@last", "--json").json["id"]
    assert status == 3
    assert "standard output cannot be written" in told
    assert sent in told
    assert "Unexpected error" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("word", "to"),
    [
        ("pause", CLOSED),
        ("resume", UNREAD),
        ("cancel", CLOSED),
        ("halt", UNREAD),
        ("unhalt", CLOSED),
    ],
)
def test_a_control_does_its_work_and_says_so(line: CommandLine, word: str, to: str) -> None:
    sent = line.run(*SEND, "--json").json["id"]

    status, told = run(line, to, word, *([sent] if "halt" not in word else []))

    assert status == 3
    assert "standard output cannot be written" in told
    assert "Unexpected error" not in told


@pytest.mark.skipif(FULL not in TO, reason="no such file")
@pytest.mark.parametrize("word", ["list", "help"])
def test_what_standard_output_does_not_take_is_no_bug(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    line.run(*SEND)
    # As in a container: then a write fails at once, and not when the command ends.
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")

    status, told = run(line, FULL, word)

    assert status == 3
    assert "standard output cannot be written" in told.lower()
    assert "Unexpected error" not in told


@pytest.mark.parametrize("words", [("list",), ("dead", "list"), ("dead", "list", "--json")])
def test_who_looks_may_stop_reading(line: CommandLine, words: tuple[str, ...]) -> None:
    line.run(*SEND)

    _, told = run(line, UNREAD, *words)

    assert told == ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("export", "@last"), ("person", "export", PEOPLE[0])])
def test_who_exports_may_stop_reading(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, unbuffered: str, words: tuple[str, ...]
) -> None:
    line.run(*SEND)
    # As in a container, where each write meets the closed pipe.
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)

    _, told = run(line, UNREAD, *words)

    assert told == ""
