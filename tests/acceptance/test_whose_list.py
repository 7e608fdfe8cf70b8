"""Whose list it is: a list of another account's followers is noticed before the send."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.by_hand import seated
from tests.acceptance.test_accounts_apart import ACCOUNTS
from tests.acceptance.test_terminal import on_terminal
from tests.kit.command_line import CommandLine
from tests.kit.follows import followed, left, listed

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

SHOP = [f"oSHOP{n:023}" for n in range(2_000)]
NEWS = [f"oNEWS{n:023}" for n in range(2_000)]
SEND = ("send", "--openids", "list.txt", "--text", "hello", "--account", "shop")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """Two accounts whose followers are synced, and a list of the followers of the other one."""
    (tmp_path / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
    with seated(tmp_path, NEWS, BROADCAST_ACCOUNTS_FILE="accounts.toml") as made:
        # What makes an account known to the ledger is a send to some of its followers.
        for name, followers in (("shop", SHOP), ("news", NEWS)):
            put(made, followers[:2])
            assert made.run(*SEND[:-1], name).status == 0
        with made.ledger() as engine:
            listed(engine, "shop", SHOP)
            listed(engine, "news", NEWS)
        put(made, NEWS)
        yield made


def put(line: CommandLine, people: Sequence[str]) -> None:
    (line.folder / "list.txt").write_text("\n".join(people), encoding="ascii")


def stored(line: CommandLine) -> int:
    """How many were stored beside the two of the fixture."""
    return line.rows()["bc_broadcasts"] - 2


def id_in(text: str) -> str:
    [found] = re.findall(r"--confirm (\S+)$", text, re.MULTILINE)
    return found


def test_a_list_of_another_account_reaches_nobody_before_it_is_confirmed(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=1_200, accounts=2)
    one, two = system.simulator.accounts
    theirs = system.simulator.openids(1_200, appid=one.appid)
    for account in (one, two):
        system.broadcast("followers", "sync", "--account", account.name)
    (system.folder / "list.txt").write_text("\n".join(theirs), encoding="ascii")
    words = ("send", "--openids", "list.txt", "--text", "hello", "--account", two.name)
    system.worker()

    refused = system.broadcast(*words, "--yes", "--wait", status=2)

    assert two.name in refused.stderr
    assert f"1,000 {one.name}" in " ".join(re.findall(r"1,000|account\d", refused.stderr))
    assert system.all_reports() == []
    assert system.simulator.mass_calls() == []
    assert [system.simulator.ledger(each.appid)["deliveries"] for each in (one, two)] == [0, 0]
    # WeChat drops who does not follow, and refuses what is left.
    system.broadcast(*words, "--wait", "--confirm", id_in(refused.stderr), status=1)
    assert len(system.simulator.mass_calls()) == 1


def test_yes_does_not_answer_it_and_the_id_of_other_facts_does_not_either(
    line: CommandLine,
) -> None:
    first = line.run(*SEND, "--yes")
    put(line, NEWS[:-1])
    other = line.run(*SEND, "--confirm", id_in(first.err))
    also = line.run(*SEND, "--confirm", id_in(first.err), "--confirm", id_in(other.err), "--json")

    assert (first.status, other.status, also.status) == (2, 2, 0)
    assert id_in(first.err) != id_in(other.err)
    assert stored(line) == 1
    for fact in ("1,000", "2,000", "shop", "news"):
        assert fact in first.err


def test_the_refusal_ends_with_the_command_that_sends_it(line: CommandLine) -> None:
    refused = line.run(*SEND)

    command = refused.err.strip().rpartition(" broadcast ")[2].split()
    assert line.run(*command).status == 0
    assert stored(line) == 1


def test_the_same_key_asks_nothing_once_it_is_stored(line: CommandLine) -> None:
    put(line, SHOP)
    first = line.run(*SEND, "--key", "june", "--json")
    with line.ledger() as engine:
        listed(engine, "shop", NEWS)

    again = line.run(*SEND, "--key", "june", "--json")

    assert (first.status, again.status) == (0, 0)
    assert first.json["id"] == again.json["id"]


@pytest.mark.parametrize(
    ("known", "status", "said"),
    [(98, 2, "--confirm"), (102, 0, "Warning:"), (998, 0, "Warning:"), (1_002, 0, None)],
)
def test_under_five_percent_is_asked_and_under_half_is_said(
    line: CommandLine, known: int, status: int, said: str | None
) -> None:
    strangers = [f"oZZZZ{n:023}" for n in range(2_000 - known)]
    put(line, [*SHOP[:known], *strangers])

    done = line.run(*SEND)

    assert done.status == status
    found = [one for one in done.lines if "looked up" in one]
    assert len(found) == (said is not None)
    assert all(said in one for one in found if said)
    assert stored(line) == (status == 0)


def test_most_of_another_account_is_asked_although_this_one_was_never_synced(
    line: CommandLine,
) -> None:
    line.execute("UPDATE bc_follower_syncs SET ended = 'short' WHERE account = 'shop'")

    refused = line.run(*SEND)
    put(line, [*SHOP[:1_000], *NEWS[:900]])
    unknown = line.run(*SEND)

    assert (refused.status, unknown.status) == (2, 0)
    assert "looked up" not in unknown.err


def test_who_was_pushed_since_the_pass_and_who_left_is_known(line: CommandLine) -> None:
    came = [f"oNEW_{n:023}" for n in range(4)]
    put(line, came)
    with line.ledger() as engine:
        followed(engine, "shop", came[0], at=datetime.now(UTC))
        left(engine, "shop", came[1], at=datetime.now(UTC))

    done = line.run(*SEND)

    assert (done.status, done.err.count("looked up")) == (0, 0)


def test_on_a_terminal_it_is_a_question_of_its_own_in_both_languages(line: CommandLine) -> None:
    no = on_terminal(line, *SEND, "--yes", types=b"n\n", BROADCAST_LANG="zh")
    yes_and_no = on_terminal(line, *SEND, types=b"y\nn\n")
    before = stored(line)
    yes = on_terminal(line, *SEND, "--yes", types=b"y\n")

    assert (no.status, yes_and_no.status, yes.status) == (1, 1, 0)
    for shown, fact in ((no, "1,000 个是账号 news"), (yes, "1,000 of account news")):
        assert fact in " ".join(shown.out.partition("[y/N]")[0].split())
    assert yes_and_no.out.count("[y/N]") == 2
    assert (before, stored(line)) == (0, 1)


def test_a_dry_run_says_it_and_asks_nothing(line: CommandLine) -> None:
    done = line.run(*SEND, "--dry-run")

    assert "1,000 of account news" in done.err
    assert "--confirm" not in done.err
    assert stored(line) == 0


def test_what_40130_may_mean_is_explained(line: CommandLine) -> None:
    assert "may be that of another account" in line.run("explain", "40130").out
