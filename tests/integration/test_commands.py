"""Commands that are forks of a warm Python are what a user starts: processes that share nothing."""

from __future__ import annotations

import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from entrypoints.cli.group import COMMANDS
from tests.kit import warm
from tests.kit.command_line import CommandLine, Result
from tests.kit.wait import until

LIST = "\n".join(f"oTEST{n:023}" for n in range(4)) + "\n"
SEND = ("send", "--openids", "-", "--text", "hello")
#: What each command is called with here, and its exit status, in this order; `make prove` runs all,
#: and asks a command without a line for its help.
STORY: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, ("db", "upgrade")),
    (0, (*SEND, "--key", "story", "--json")),
    (0, ("status",)),
    (0, ("list",)),
    (0, ("pause", "ID")),
    (1, ("watch", "ID")),
    (0, ("resume", "ID")),
    (0, ("halt",)),
    (0, ("unhalt",)),
    (2, ("resolve", "ID", "--batch", "1", "--not-sent")),
    (0, ("recipients", "ID", "--set", "waiting")),
    (0, ("cancel", "ID")),
    (2, ("retry", "ID")),
    (0, ("audit", "--all")),
    (0, ("reconcile",)),
    (0, ("accounts",)),
    (0, ("explain", "45009")),
    (3, ("quota",)),
    (3, ("token",)),
    (2, ("sned",)),
)


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line without tables."""
    return CommandLine(tmp_path)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.prove)])
def test_each_command_does_the_same_in_an_interpreter_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, every: bool
) -> None:
    (tmp_path / "forked").mkdir()
    (tmp_path / "started").mkdir()
    told = {words[0] for _, words in STORY}
    untold = [name for name in COMMANDS if name not in told]
    helps = [(0, (name, "--help")) for name in untold]
    story = [*STORY, *helps] if every else [*STORY[:3], STORY[-1], helps[0]]

    forked = _play(CommandLine(tmp_path / "forked"), story)
    monkeypatch.setenv(warm.VARIABLE, "interpreter")
    started = _play(CommandLine(tmp_path / "started"), story)

    assert [result.status for result in started] == [status for status, _ in story]
    for (_, words), one, other in zip(story, forked, started, strict=True):
        assert one.status == other.status, words
        assert bool(one.out) == bool(other.out), words
        assert len(one.lines) == len(other.lines), words
        if words[-1] == "--help":
            assert one == other


def _play(line: CommandLine, story: list[tuple[int, tuple[str, ...]]]) -> list[Result]:
    """Run these commands, one after the other."""
    stored = "ID"
    played = []
    for _, words in story:
        typed = [stored if word == "ID" else word for word in words]
        played.append(line.run(*typed, stdin=LIST.encode()))
        if "--json" in words:
            stored = played[-1].json["id"]
    return played


def test_nothing_of_one_command_is_seen_by_the_next(line: CommandLine) -> None:
    other = f"sqlite:///{line.folder / 'other.db'}"
    assert line.run("db", "upgrade").status == 0
    assert line.run(*SEND, stdin=LIST.encode()).status == 0
    assert line.run("db", "upgrade", DATABASE_URL=other).status == 0

    assert "no broadcast" in line.run("list", DATABASE_URL=other).out
    assert line.run("accounts", WECHAT_APPID="x").status == 2
    assert line.run("accounts", "--json").json["accounts"][0]["name"] == "default"
    assert line.run("list", "--json").json["broadcasts"][0]["account"] == "default"
    assert line.run("list").out.count("\n") == 2


def test_what_is_read_at_the_start_gets_an_interpreter_of_its_own(line: CommandLine) -> None:
    assert line.run("db", "upgrade").status == 0

    assert "错误" in line.run("sned", BROADCAST_LANG="zh").err
    assert "Error" in line.run("sned").err
    died = line.run(*SEND, stdin=LIST.encode(), BROADCAST_CRASH_AT="submit.publishing")
    assert died.status == -signal.SIGKILL


def test_bytes_that_are_no_text_arrive_as_they_are(line: CommandLine) -> None:
    assert "position 2" in line.run(*SEND[:-1], b"a\xff", stdin=LIST.encode()).err


def test_a_list_longer_than_a_pipe_is_read_to_its_end(line: CommandLine) -> None:
    assert line.run("db", "upgrade").status == 0
    people = "".join(f"oTEST{n:023}\n" for n in range(20_000)).encode()

    assert line.run(*SEND, "--json", stdin=people).json["audience"]["planned"] == 20_000
    # Nobody reads it here, and nobody waits for that.
    assert line.run("sned", stdin=people).status == 2


def test_commands_run_side_by_side(line: CommandLine) -> None:
    assert line.run("db", "upgrade").status == 0
    with ThreadPoolExecutor(4) as threads:
        keys = [f"key{n}" for n in range(8)]
        stored = threads.map(
            lambda key: line.run(
                *SEND, "--again", "--key", key, "--json", stdin=LIST.encode()
            ).json["key"],
            keys,
        )

        assert list(stored) == keys


def test_a_command_that_takes_too_long_is_killed(line: CommandLine) -> None:
    assert line.run("sned").status == 2  # The warm Python runs.
    # Servers that other tests of this process share are its children, too.
    before = _children()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(subprocess.TimeoutExpired):
            line.run("quota", timeout_s=0.3, REDIS_URL=address.replace("http", "redis"))

    until(lambda: _children() <= before, 5, "the command to end")


def _children() -> set[int]:
    return {child.pid for pid in warm.PIDS for child in psutil.Process(pid).children()}


def test_a_command_is_a_fork_whatever_a_program_set_in_this_process(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line.run("sned").status == 2  # The warm Python runs.
    monkeypatch.setattr(subprocess, "Popen", _no_interpreter)
    for name in warm.SET_BY_PROGRAMS:
        monkeypatch.delenv(name, raising=False)
    assert line.run("sned").status == 2

    for name, value in warm.SET_BY_PROGRAMS.items():
        monkeypatch.setenv(name, value)

    assert line.run("sned").status == 2


def _no_interpreter(*command: object, **_: object) -> NoReturn:
    pytest.fail(f"an interpreter was started: {command}")
