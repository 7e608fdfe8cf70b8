"""A key that was used before: what is said of its broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.by_hand import seated
from tests.kit.command_line import CommandLine

PEOPLE = [f"oTEST{n:023}" for n in range(5)]
SEND = ("send", "--openids", "list.txt", "--text", "hello", "--key", "june")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables and a good list."""
    with seated(tmp_path, PEOPLE) as made:
        yield made


def test_a_used_key_names_its_broadcast_and_its_state(line: CommandLine) -> None:
    sent = line.run(*SEND, "--json").json["id"]

    again = line.run(*SEND)

    assert again.status == 0
    assert (
        f"{sent}, with the same content and audience. State: stored, not planned yet." in again.out
    )


def test_the_key_of_a_cancelled_broadcast_says_so_and_asks_for_another(line: CommandLine) -> None:
    sent = line.run(*SEND, "--json").json["id"]
    line.run("cancel", sent)

    english = line.run(*SEND).out
    chinese = line.run(*SEND, BROADCAST_LANG="zh").out

    assert f"{sent}, with the same content and audience. That broadcast was cancelled" in english
    assert "give another --key" in english
    assert f"群发 {sent}，但它后来被取消" in chinese
    assert "请换一个 --key" in chinese
    assert line.run(*SEND[:-1], "july").status == 0
    assert line.rows()["bc_broadcasts"] == 2


def test_a_dry_run_with_a_used_key_prints_its_broadcast_as_one_object(line: CommandLine) -> None:
    sent = line.run(*SEND, "--json").json

    dry = line.run(*SEND, "--dry-run", "--json")

    assert dry.status == 0
    assert len(dry.out.splitlines()) == 1
    assert dry.json == sent
    assert sent["id"] in dry.err


def test_who_waits_is_not_told_to_watch(line: CommandLine) -> None:
    line.run("halt")

    waited = line.run(*SEND, "--wait")
    left = line.run(*SEND[:-1], "july", "--again")

    assert "Stored as" in waited.out
    assert "broadcast watch" not in waited.out
    assert "Follow it:\n    broadcast watch" in left.out


@pytest.mark.parametrize(("lang", "state"), [("zh", "已取消"), ("en", "cancelled")])
def test_a_cancel_says_once_that_it_is_cancelled(line: CommandLine, lang: str, state: str) -> None:
    sent = line.run(*SEND, "--json").json["id"]

    first = line.run("cancel", sent, BROADCAST_LANG=lang).out.splitlines()[0]

    assert first.count(state) == 1


def test_a_text_that_looks_like_a_secret_is_not_offered_masked_for_a_repeat(
    line: CommandLine,
) -> None:
    words = ("send", "--openids", "list.txt", "--text", "https://example.com/?access_token=coupon")

    result = line.run(*words, DATABASE_URL="postgresql://u:p@127.0.0.1:1/d")

    assert (result.status, len(result.lines)) == (3, 1)
    assert "***" not in result.err
    assert "the same command as before, with --key auto-" in result.err
