"""An upload that is under way, or died, is told as what it is by every command that names it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.plan.audience import OpenIDs
from entrypoints.cli.main import run
from models.ledger.lists import uploads
from models.ledger.rows.transaction import write
from models.ledger.submit import awaited_lists
from tests.kit import ledger
from tests.kit.seat import sit

COMMANDS = (
    ("watch", "ID"),
    ("pause", "ID"),
    ("resume", "ID"),
    ("cancel", "ID"),
    ("retry", "ID"),
    ("resolve", "ID", "--batch", "1", "--not-sent"),
    ("recipients", "ID", "--set", "waiting"),
    ("recipients", "ID", "--set", "skipped"),
    ("audit", "ID"),
)


def refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], broadcast_id: str) -> str:
    typed = [broadcast_id if word == "ID" else word for word in words]
    assert run(typed) == 2, words
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_a_list_that_is_being_stored_is_no_broadcast_that_is_not_there(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broadcast_id = ledger.upload(here, ledger.body())

    for words in COMMANDS:
        assert "is still being stored" in refused(capsys, words, broadcast_id)
    (tmp_path / "all.txt").write_text("\n".join(ledger.openids(3)), encoding="ascii")
    but = f"broadcast:{broadcast_id}"
    send = ("send", "--openids", "all.txt", "--text", "A", "--exclude", but, "--dry-run")
    assert "is still being stored" in refused(capsys, send, broadcast_id)
    assert run(["status", broadcast_id]) == 0
    assert "is still being stored" in capsys.readouterr().out


def test_a_list_that_a_program_uploads_is_awaited_and_its_broadcast_can_be_cancelled(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody is asked first: the list could come meanwhile.
    sit(monkeypatch)
    body = replace(ledger.body(), audience=OpenIDs(digest=""))
    broadcast_id, _ = awaited_lists.reserve(here, body, request="{}", who="crm", title=None)
    for near in (timedelta(), timedelta(hours=23, minutes=30)):
        # However near the end of its day.
        ledger.pass_time(here, near)
        told = refused(capsys, ("pause", "ID"), broadcast_id)
        assert f"broadcast cancel {broadcast_id}" in told
        assert "within a day" in told

    assert run(["cancel", broadcast_id]) == 0
    assert "Its list had not come yet" in capsys.readouterr().out
    assert run(["cancel", broadcast_id]) == 0
    assert "Nothing was changed" in capsys.readouterr().out
    for words in (["status", broadcast_id], ["watch", broadcast_id], ["list"]):
        run(words)
        shown = capsys.readouterr().out
        assert "cancelled" in shown
        assert "storing" not in shown
        assert "stored" not in shown
    assert run(["recipients", broadcast_id, "--set", "cancelled"]) == 0
    assert capsys.readouterr().out == ""
    assert run(["audit", broadcast_id]) == 0
    assert "has ended and cannot continue" in refused(capsys, ("resume", "ID"), broadcast_id)


@pytest.mark.parametrize("word", [True, False])
def test_an_upload_that_was_given_up_is_told_as_such(
    here: Engine, capsys: pytest.CaptureFixture[str], *, word: bool
) -> None:
    broadcast_id = ledger.upload(here, ledger.body())
    if word:
        write(here, lambda connection: uploads.give_up(connection, broadcast_id))
    else:
        ledger.pass_time(here, uploads.GIVEN_UP_AFTER + timedelta(seconds=1))

    for words in COMMANDS:
        assert "was interrupted and given up" in refused(capsys, words, broadcast_id)


def test_an_id_that_nobody_has_is_told_as_before(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Broadcast 20260301-abcdef does not exist" in refused(
        capsys, ("watch", "ID"), "20260301-abcdef"
    )
