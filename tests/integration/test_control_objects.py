"""What programs read of the commands that stop a broadcast or an account, or let it go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from entrypoints.cli.main import run
from tests.kit import ledger


def object_of(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    assert run([*words, "--json"]) == status
    [line] = capsys.readouterr().out.splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


@pytest.mark.parametrize(
    ("word", "state"),
    [("pause", "paused"), ("resume", "waiting"), ("retry", "waiting"), ("cancel", "cancelled")],
)
def test_each_control_prints_the_broadcast_as_it_stands(
    here: Engine, capsys: pytest.CaptureFixture[str], word: str, state: str
) -> None:
    broadcast_id = ledger.broadcast(here)

    told = object_of(capsys, word, broadcast_id)

    assert (told["id"], told["state"]) == (broadcast_id, state)


def test_a_verdict_on_a_doubt_prints_the_broadcast(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here, batches=1)
    driver = ledger.Driver(here)
    driver.record(driver.claim(), ledger.said(45065))

    told = object_of(capsys, "resolve", broadcast_id, "--batch", "1", "--not-sent")

    assert (told["state"], told["recipients"]["refused"]) == ("failed", 20)


def test_halt_and_unhalt_print_each_account_that_was_meant(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.broadcast(here)

    halted = object_of(capsys, "halt", "--why", "wrong text")
    again = object_of(capsys, "halt", "--all")
    back = object_of(capsys, "unhalt")

    [account] = halted["accounts"]
    assert (account["name"], account["changed"]) == ("default", True)
    assert account["halted"]["why"] == "wrong text"
    assert [each["changed"] for each in again["accounts"]] == [False]
    assert [each["halted"] for each in back["accounts"]] == [None]
    assert back["error"] is None


def test_explain_alone_lists_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    told = capsys.readouterr()
    codes = [int(line.split()[0]) for line in told.out.splitlines()]
    assert codes == sorted(codes)
    assert {-1, 40001, 45009, 45065} <= set(codes)
    assert "broadcast explain CODE" in told.err


@pytest.mark.parametrize("words", [["45028", "--foo"], ["--foo"], ["45028", "-x"], ["--foo=1"]])
def test_explain_refuses_an_option_that_it_does_not_have(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", *words]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert "explain --help" in told.err


@pytest.mark.parametrize(
    ("text", "codes"), [("-1", [-1]), ("-1 system error", [-1]), ("45028", [45028])]
)
def test_explain_gives_its_codes_as_an_object(
    text: str, codes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", text, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["code"] for one in told["codes"]] == codes
    assert all(one["meaning"] and one["lines"] and one["listed"] for one in told["codes"])
    assert (told["end"], told["error"]) == (None, None)


def test_explain_of_used_up_messages_names_the_command_of_each_interface(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A list's broadcast is paused; for a tag or everybody the account's interface is stopped."""
    assert run(["explain", "45028"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "for a list, run `broadcast resume ID`" in told
    assert "for a tag or everybody, `broadcast unhalt --account NAME`" in told


def test_explain_gives_the_end_of_a_job_and_the_whole_list_as_objects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["explain", "err(40002)", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["codes"] == []
    assert "30 minutes" in " ".join(told["end"])
    assert run(["explain", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {-1, 45028} <= {one["code"] for one in told["codes"]}


def test_followers_alone_takes_the_account_and_the_object(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["followers", "--account", "default", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["account"] == "default"
    assert run(["followers", "--account", "default", "status"]) == 2
    assert "broadcast followers status --account NAME" in capsys.readouterr().err
    assert run(["followers", "--json", "status"]) == 2
    assert "broadcast followers status --json" in capsys.readouterr().err
