"""A key belongs to its account, and an upload that is under way is there to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broadcast.rules.accounts import make
from models.ledger.lists import uploads
from tests.acceptance.by_hand import seated
from tests.kit import ledger
from tests.kit.command_line import CommandLine

PEOPLE = ledger.openids(4)
APPID = "wx0000000000000001"
ACCOUNTS = f"""
[accounts.shop]
appid = "{APPID}"
appsecret = "appsecret-of-the-shop"
[accounts.news]
appid = "wx0000000000000002"
appsecret = "appsecret-of-the-news"
"""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables, two accounts and a good list."""
    (tmp_path / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
    with seated(tmp_path, PEOPLE, BROADCAST_ACCOUNTS_FILE="accounts.toml") as made:
        yield made


def test_a_key_of_one_account_is_free_in_another(line: CommandLine) -> None:
    words = ("send", "--openids", "list.txt", "--text", "hello", "--key", "june", "--json")

    shop, news = (line.run(*words, "--account", name).json["id"] for name in ("shop", "news"))

    assert shop != news
    for name, stored in (("shop", shop), ("news", news)):
        again = line.run(*words, "--account", name)
        assert (again.status, again.json["id"], again.json["account"]) == (0, stored, name)
        other = line.run(*words[:4], "other", *words[5:], "--account", name)
        assert (other.status, stored in other.err) == (2, True)
    assert line.rows()["bc_broadcasts"] == 2


def test_an_upload_is_seen_by_its_state_and_can_be_asked_for(line: CommandLine) -> None:
    owner = make("shop", appid=APPID, appsecret="0123456789abcdef")
    with line.ledger() as engine:
        upload = ledger.upload(engine, ledger.body(size=4, key="june", owner=owner), size=4)

        [listed] = line.run("list", "--json").json["broadcasts"]
        shown = line.run("status", upload, "--json").json
        in_words = line.run("list").out

        uploads.abandon(engine, upload)

    assert (listed["id"], listed["state"]) == (upload, "uploading")
    assert (shown["state"], shown["key"], shown["account"]) == ("uploading", "june", "shop")
    assert upload in in_words
    assert line.run("status", upload).status == 2
