"""No command ends in silence: it says what can be done next."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from broadcast.rules.plan.audience import Everyone
from entrypoints.cli.main import run
from models.ledger.steer import operator
from tests.kit import ledger
from tests.kit.direct import submit_to


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert run(words) == 0
    told = capsys.readouterr()
    return told.out, told.err


def test_an_empty_set_says_so_and_names_one_that_is_not(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here)

    out, told = said(capsys, "recipients", broadcast_id, "--set", "refused")

    assert out == ""
    assert f"Nobody is in the set refused of broadcast {broadcast_id}" in told
    assert "20 waiting" in told
    assert told.endswith(f"    broadcast recipients {broadcast_id} --set waiting\n")
    assert "Nobody" not in said(capsys, "recipients", broadcast_id, "--set", "waiting")[1]
    assert "Nobody" in said(capsys, "recipients", broadcast_id, "--set", "refused", "--csv")[1]


def test_a_list_that_is_wechat_s_is_said_to_be_unknown(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = submit_to(here, ledger.account(), Everyone(), key="all")

    out, told = said(capsys, "recipients", broadcast_id, "--set", "accepted")

    assert out == ""
    assert "known only to WeChat" in told


def test_an_unhalt_says_how_to_follow_what_goes_on_or_that_nothing_does(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.halt(here, "default", who="tests", known=[ledger.account()])
    assert "Nothing is waiting to be sent." in said(capsys, "unhalt", "--account", "default")[0]

    broadcast_id = ledger.broadcast(here)
    operator.halt(here, "default", who="tests")
    out, _ = said(capsys, "unhalt", "--account", "default")
    assert broadcast_id in out
    assert out.endswith("Follow them:\n    broadcast status\n")

    operator.halt(here, "default", who="tests")
    operator.pause(here, broadcast_id, who="tests")
    out, _ = said(capsys, "unhalt", "--account", "default")
    assert "Follow them" not in out
    assert "Nothing is waiting" not in out
    assert "Follow them" not in said(capsys, "halt", "--account", "default")[0]
