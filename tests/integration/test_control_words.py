"""What a person is told who stops a broadcast or an account, or lets it go on."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from broadcast.plan import Quota
from cli.commands import stopping
from cli.main import run
from models.ledger import operator
from tests.kit import ledger

ONE_LEFT = Quota(daily_limit=100, used=99, remain=1)


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(words) == status
    told = capsys.readouterr()
    return told.out + told.err


def test_a_resume_without_room_says_what_is_missing_and_that_nothing_changed(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = ledger.broadcast(here)
    operator.pause(here, broadcast_id, who="tests")
    monkeypatch.setattr(stopping, "_quota", lambda *_: ONE_LEFT)

    told = said(capsys, "resume", broadcast_id, status=2)

    assert f"Broadcast {broadcast_id} stays as it is: it still takes 2 calls" in told
    assert "left today: 1, 1 too few" in told
    assert "--spread-days" not in told
    assert "Nothing was stored" not in told


def test_a_resume_without_room_names_who_holds_the_calls(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = ledger.broadcast(here)
    operator.pause(here, broadcast_id, who="tests")
    holder = ledger.broadcast(here, key="other")
    three = Quota(daily_limit=100, used=97, remain=3)
    monkeypatch.setattr(stopping, "_quota", lambda *_: three)

    told = said(capsys, "resume", broadcast_id, status=2)

    assert f"held by {holder}" in told
    assert "broadcast resume" in told


def test_a_halt_is_told_beside_a_newest_broadcast_that_has_ended(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its next broadcast stands still too."""
    broadcast_id = ledger.broadcast(here)
    operator.cancel(here, broadcast_id, who="tests")
    operator.halt(here, "default", who="tests")

    assert "Halted by hand: account default" in said(capsys, "status")
    assert "Halted by hand" not in said(capsys, "status", broadcast_id)
