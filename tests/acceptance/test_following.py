"""Watching a broadcast on the real command: what it says, when it ends, and with which status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broadcast import day
from broadcast.rules.states import Reason
from tests.acceptance.by_hand import OWNER, seated
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.processes import ROOT
from tests.servers.fixtures import Launch

PEOPLE = [f"oTEST{n:023}" for n in range(5)]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables and a good list."""
    with seated(tmp_path, PEOPLE) as made:
        yield made


@pytest.fixture
def stored(line: CommandLine) -> str:
    """The id of a broadcast that nobody takes up."""
    result = line.run("send", "--openids", "list.txt", "--text", "hello", "--json")
    return str(result.json["id"])


def test_a_paused_broadcast_ends_the_watch_with_the_command_that_goes_on(
    line: CommandLine, stored: str
) -> None:
    assert line.run("pause", stored).status == 0
    assert "is already paused" in line.run("pause", stored).out

    result = line.run("watch", stored, "--json")

    assert result.status == 1, result
    assert result.json["state"] == "paused"
    assert f"broadcast resume {stored}" in result.err

    assert line.run("resume", stored).status == 0
    assert line.run("status", stored, "--json").json["state"] == "planning"


def test_a_cancelled_broadcast_ends_the_watch(line: CommandLine, stored: str) -> None:
    assert line.run("cancel", stored).status == 0

    result = line.run("watch", stored, "--json")

    assert (result.status, result.json["state"]) == (1, "cancelled")
    assert result.json["recipients"]["cancelled"] == len(PEOPLE)
    again = line.run("cancel", stored)
    assert (again.status, "already ended" in again.out) == (0, True)
    assert line.run("resume", stored).status == 2


def test_a_halted_account_ends_the_watch(line: CommandLine, stored: str) -> None:
    assert line.run("halt").status == 0

    result = line.run("watch", stored)

    assert result.status == 1
    assert "broadcast unhalt --account default" in result.out
    assert line.run("unhalt", "--all").status == 0


def test_a_stop_by_wechat_says_what_it_said(line: CommandLine, stored: str) -> None:
    with line.ledger() as engine:
        ledger.stop(engine, OWNER, errmsg="user not agree mass-send protocol")

    result = line.run("watch", stored)

    assert result.status == 1
    assert "48003 user not agree mass-send protocol" in result.out
    assert "broadcast unhalt" in result.out


def test_a_wait_for_another_day_says_until_when(line: CommandLine, stored: str) -> None:
    turn = day.turn(datetime.now(UTC)) + timedelta(minutes=1)
    with line.ledger() as engine:
        ledger.wait(engine, until=turn, reason=Reason.QUOTA_TODAY)

    result = line.run("watch", stored)

    assert result.status == 1
    assert f"{turn.astimezone(day.SHANGHAI):%Y-%m-%d} 00:01" in result.out
    assert f"broadcast watch {stored}" in result.err


def test_a_broadcast_scheduled_for_another_day_is_not_waited_for(line: CommandLine) -> None:
    at = (datetime.now(day.SHANGHAI) + timedelta(days=3)).strftime("%Y-%m-%d 20:00")

    result = line.run(
        "send", "--openids", "list.txt", "--text", "later", "--at", at, "--wait", "--json"
    )

    assert (result.status, result.json["state"]) == (1, "scheduled")
    assert at in result.err


@pytest.mark.parametrize("words", [("watch",), ("watch", "--json")])
def test_ctrl_c_leaves_the_broadcast_running_and_says_so(
    line: CommandLine, stored: str, launch: Launch, words: tuple[str, ...]
) -> None:
    command = [sys.executable, "-m", "entrypoints.cli.main", *words[:1], stored, *words[1:]]
    process = launch(command, name="watch", env={**line.env, "PYTHONPATH": str(ROOT)}, warm=True)
    process.wait_for_line("accepted by WeChat 0 of 5")

    process.signal_group(signal.SIGINT)

    assert process.wait() == 130
    assert f"broadcast watch {stored}" in process.output
    assert "Traceback" not in process.output
    assert line.run("status", stored, "--json").json["state"] == "planning"


def test_the_database_may_go_away_for_a_while(
    line: CommandLine, stored: str, launch: Launch
) -> None:
    command = [sys.executable, "-m", "entrypoints.cli.main", "watch", stored]
    process = launch(command, name="watch", env={**line.env, "PYTHONPATH": str(ROOT)}, warm=True)
    process.wait_for_line("accepted by WeChat 0 of 5")

    line.execute("ALTER TABLE bc_broadcasts RENAME TO elsewhere")
    process.wait_for_line("Waiting for the database to come back")
    line.execute("ALTER TABLE elsewhere RENAME TO bc_broadcasts")
    process.wait_for_line("The database is back")
    line.run("pause", stored)

    assert process.wait() == 1


def test_a_time_that_has_passed_is_told_as_overdue(line: CommandLine, launch: Launch) -> None:
    at = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    sent = line.run("send", "--openids", "list.txt", "--text", "a", "--at", at, "--json").json
    line.pass_time(timedelta(hours=5, minutes=5))
    command = [sys.executable, "-m", "entrypoints.cli.main", "watch", sent["id"]]
    process = launch(command, name="watch", env={**line.env, "PYTHONPATH": str(ROOT)}, warm=True)

    process.wait_for_line("Overdue: it was due")
    line.run("cancel", sent["id"])

    assert process.wait() == 1
    assert process.output.count("Overdue") == 1
    assert "    broadcast up\n" in process.output


def test_redis_away_is_said_once(line: CommandLine, stored: str, launch: Launch) -> None:
    command = [sys.executable, "-m", "entrypoints.cli.main", "watch", stored]
    process = launch(command, name="watch", env={**line.env, "PYTHONPATH": str(ROOT)}, warm=True)

    process.wait_for_line("REDIS_URL", timeout_s=30)
    line.run("cancel", stored)

    assert process.wait() == 1
    assert process.output.count("Redis at") == 1


def test_the_newest_broadcast_is_shown_where_none_is_named(line: CommandLine, stored: str) -> None:
    assert stored in line.run("status").out
    assert [b["id"] for b in line.run("list", "--json").json["broadcasts"]] == [stored]
    assert stored in line.run("list").out
    assert stored in line.run("list", "--account", "default").out


def test_the_list_of_an_account_that_nobody_knows_is_refused(
    line: CommandLine, stored: str
) -> None:
    typo = line.run("list", "--account", "shop", "--json")
    near = line.run("list", "--account", "default1")

    for result in (typo, near):
        assert (result.status, len(result.lines)) == (2, 1)
        assert "does not exist" in result.err
        assert "Use default" in result.err
    assert typo.json["error"] in typo.err


def test_the_list_knows_accounts_of_the_ledger_and_of_the_settings(
    line: CommandLine, stored: str
) -> None:
    (line.folder / "accounts.toml").write_text(
        '[accounts.shop]\nappid = "wx0000000000000042"\nappsecret = "of-the-shop"\n', "ascii"
    )
    del line.env["WECHAT_APPID"]
    line.env["BROADCAST_ACCOUNTS_FILE"] = "accounts.toml"

    assert stored in line.run("list", "--account", "default").out
    empty = line.run("list", "--account", "shop")
    assert (empty.status, stored in empty.out) == (0, False)
    refused = line.run("list", "--account", "nobody")
    assert (refused.status, "Use default, shop" in refused.err) == (2, True)


def test_without_any_broadcast_the_status_says_so(line: CommandLine) -> None:
    result = line.run("status")

    assert (result.status, result.err, len(result.out.splitlines())) == (0, "", 1)
    assert "broadcast send --help" in result.out
