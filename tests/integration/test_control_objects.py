"""What programs read of the commands that stop a broadcast or an account, or let it go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from cli.main import run
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
