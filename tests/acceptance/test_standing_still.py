"""Accounts that stand still: what is said of them, and that the one command lifts it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from broadcast.rules import accounts
from tests.acceptance.by_hand import seated
from tests.kit import ledger
from tests.kit.command_line import CommandLine

PEOPLE = [f"oTEST{n:023}" for n in range(5)]
ACCOUNTS = """
[accounts.shop]
appid = "wx0000000000000001"
appsecret = "appsecret-of-the-shop"
[accounts.news]
appid = "wx0000000000000002"
appsecret = "appsecret-of-the-news"
"""
SHOP = accounts.make("shop", appid="wx0000000000000001", appsecret="0123456789abcdef")
SEND = ("send", "--openids", "list.txt", "--account", "shop", "--text")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables, two accounts and a good list."""
    (tmp_path / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
    with seated(tmp_path, PEOPLE, BROADCAST_ACCOUNTS_FILE="accounts.toml") as made:
        yield made


def stop(line: CommandLine, broadcast_id: str) -> None:
    """Plan a broadcast, and stop its account as WeChat's answer does, two hours ago."""
    with line.ledger() as engine:
        ledger.planned(engine, broadcast_id, owner=SHOP)
        ledger.stop(engine, SHOP, errmsg="user not agree mass-send protocol")
    line.pass_time(timedelta(hours=2))


def test_a_halted_account_is_told_with_who_since_when_and_the_command(line: CommandLine) -> None:
    line.run("halt", "--account", "news")

    shown = line.run("accounts").out.splitlines()
    [news, shop] = sorted(line.run("accounts", "--json").json["accounts"], key=lambda a: a["name"])

    [told] = [one for one in shown if "Halted" in one]
    assert shown.index(told) == 1 + [one.startswith("news ") for one in shown].index(True)
    assert "by cli:" in told
    assert "Beijing time" in told
    assert shown[shown.index(told) + 1].strip() == "broadcast unhalt --account news"
    assert news["halted"]["by"].startswith("cli:")
    assert news["halted"]["at"].endswith("Z")
    assert (news["stopped"], shop["halted"], shop["stopped"]) == (None, None, None)

    line.run("unhalt", "--account", "news")
    assert "Halted" not in line.run("accounts").out


def test_an_account_that_is_halted_and_stopped_tells_both_and_the_command_once(
    line: CommandLine,
) -> None:
    sent = line.run(*SEND, "hello", "--json").json["id"]
    line.run("halt", "--account", "shop")
    stop(line, sent)

    for shown in (line.run("accounts").out, line.run("status", sent).out):
        assert "48003 user not agree mass-send protocol" in shown
        assert "(2 h ago)" in shown
        assert "Also halted: account shop" in shown
        assert shown.count("broadcast unhalt --account shop") == 1
    told = line.run("accounts", "--json").json["accounts"][0]
    assert told["stopped"]["errcode"] == 48003
    assert told["stopped"]["reason"] == "account_stopped"
    assert told["halted"] is not None


@pytest.mark.parametrize("control", ["pause", "cancel"])
def test_the_status_tells_of_its_account_until_the_broadcast_has_ended(
    line: CommandLine, control: str
) -> None:
    sent = line.run(*SEND, "hello", "--json").json["id"]
    line.run("halt", "--account", "shop")
    line.run(control, sent)

    shown = line.run("status", sent).out

    assert ("broadcast unhalt --account shop" in shown) is (control == "pause")
    # Its next broadcast stands still too.
    assert "broadcast unhalt --account shop" in line.run("status").out
    assert (f"broadcast resume {sent}" in shown) is (control == "pause")


def test_the_status_without_an_id_tells_of_every_account(line: CommandLine) -> None:
    line.run("halt", "--all")

    nothing_sent = line.run("status")
    line.run(*SEND, "hello")
    shown = line.run("status").out

    assert nothing_sent.status == 0
    for told in (nothing_sent.out, shown):
        assert told.count("broadcast unhalt --account news") == 1
        assert told.count("broadcast unhalt --account shop") == 1


def test_accounts_are_listed_without_tables_and_leave_no_file_behind(line: CommandLine) -> None:
    line.database.unlink()

    result = line.run("accounts")

    assert (result.status, result.err) == (0, "")
    assert "wx0000000000000001" in result.out
    assert not line.database.exists()


def test_accounts_are_listed_with_the_database_away_and_say_what_is_not_known(
    line: CommandLine,
) -> None:
    result = line.run("accounts", "--json", DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/d")

    assert result.status == 3
    assert [one["name"] for one in result.json["accounts"]] == ["shop", "news"]
    assert "DATABASE_URL" in result.json["error"]
    assert "Cannot check whether accounts are halted or stopped" in result.err
    assert "hunter2" not in result.out + result.err


@pytest.mark.prove
def test_an_account_that_left_the_settings_with_work_left_is_told(line: CommandLine) -> None:
    sent = line.run(*SEND, "hello", "--json").json["id"]
    other = line.run(*SEND, "goodbye", "--json").json["id"]
    line.pass_time(timedelta(minutes=1))
    whole = line.run("status", sent).out
    file = line.folder / "accounts.toml"
    file.write_text("[accounts.news]" + file.read_text().partition("[accounts.news]")[2])

    status, listed = line.run("status", sent).out, line.run("accounts").out
    open_ones = line.run("status").out
    nothing = line.run(
        "accounts", BROADCAST_ACCOUNTS_FILE=None, WECHAT_APPID=None, WECHAT_APPSECRET=None
    )
    [told] = [one for one in status.splitlines() if "missing from the settings" in one]

    assert told.startswith("Account shop ")
    assert "BROADCAST_ACCOUNTS_FILE=accounts.toml" in told
    assert told in listed.splitlines()
    assert "shop is missing from the settings (WECHAT_APPID)" in nothing.out
    assert line.run("accounts", "--json").json["missing"] == ["shop"]
    assert "missing from the settings" not in whole
    # A worker that is started sends nothing for it.
    assert "\n    broadcast up\n" in whole
    assert (status.splitlines().index(told), "broadcast up" in status) == (2, False)
    assert (open_ones.count(told), "broadcast up" in open_ones) == (2, False)

    for one in (sent, other):
        line.run("cancel", one)
    for words in (("status", sent), ("accounts",)):
        assert "missing from the settings" not in line.run(*words).out


def test_the_status_is_told_where_the_settings_of_accounts_cannot_be_read(
    line: CommandLine,
) -> None:
    sent = line.run(*SEND, "hello", "--json").json["id"]
    (line.folder / "accounts.toml").unlink()

    result = line.run("status", sent)

    assert result.status == 0
    assert "Cannot check whether account shop is in the settings: " in result.out
