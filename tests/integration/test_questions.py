"""What stands before the questions of a send, a preview and a recall."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.drafts import Mark
from broadcast.rules.hand_calls import ByHand, HandCall, HandResult
from broadcast.settings import program_settings
from entrypoints.cli import draft_looks
from entrypoints.cli.commands import recall
from models.ledger.steer import recorded_hand_calls
from producer.submit.checks import Read
from tests.integration.test_which import said
from tests.kit import ledger
from tests.kit.ledger import Driver
from tests.kit.seat import sit

ONE = "o" + "1" * 27


@pytest.fixture
def typed_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sit at a terminal and type n."""
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n" * 5))


@pytest.mark.usefixtures("here", "typed_no")
def test_of_a_halted_account_nothing_is_said_to_go_out_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said(capsys, "halt", "--account", "default")

    shown = said(capsys, "send", "--tag", "2", "--text", "hello", status=1)

    assert "Time      as soon as the account may send again\n" in shown
    assert "now" not in shown.rpartition("Store a broadcast")[2]
    assert "at once" not in shown


@pytest.mark.usefixtures("here", "typed_no")
def test_the_simulator_of_up_is_named_and_another_server_is_not_taken_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ("send", "--tag", "2", "--text", "hello")
    left = tmp_path / "simulator.toml"
    monkeypatch.setattr(program_settings, "UP_ACCOUNTS", left)
    told = []
    for base in ("http://127.0.0.1:1", os.environ["WECHAT_API_BASE"]):
        left.write_text(
            '[accounts.demo]\nappid = "wxdem0000000000001"\nappsecret = "secret-of-the-tests"\n'
            f'api_base = "{base}"\n',
            "ascii",
        )
        told.append("no real follower" in said(capsys, *words, status=1))

    assert told == [False, True]


@pytest.mark.usefixtures("here", "typed_no")
def test_a_preview_names_its_server_and_the_articles_of_a_draft(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = (Mark(title="Autumn sale"), Mark(title="New shop"))
    monkeypatch.setattr(
        draft_looks, "read_at_submit", lambda _, __, content: Read(content=content, draft=marks)
    )

    shown = said(capsys, "preview", "--mpnews", "id:A-DRAFT", "--to", ONE, status=1)

    assert "Server    http://127.0.0.1" in shown
    assert "    1. Autumn sale\n    2. New shop\n" in shown


@pytest.mark.usefixtures("typed_no")
def test_a_recall_names_the_content_and_asks_nothing_of_what_is_recalled_already(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "asked", lambda *_: None)
    content = json.dumps({"msgtype": "mpvideo", "mpvideo": {"media_id": "A-VIDEO"}})
    body = replace(ledger.body(key="k"), content=content, msgtype="mpvideo")
    broadcast_id = ledger.published(here, body)
    ledger.planned(here, broadcast_id)
    Driver(here).call(ledger.said(0, msg_id=7))

    asked = said(capsys, "recall", "@last", status=1)

    assert f"Recall the video of broadcast {broadcast_id} (A-VIDEO)? [y/N]" in asked
    call = HandCall(kind=ByHand.RECALL, who="cli:ann", broadcast_id=broadcast_id, msg_id=7)
    number = recorded_hand_calls.begin(here, ledger.account(), call)
    done = HandResult(outcome=Outcome.ACCEPTED, errcode=0)
    recorded_hand_calls.end_recall(here, number, done, call=call, broadcasts=[broadcast_id])
    again = said(capsys, "recall", "@last")
    assert "[y/N]" not in again
    assert "by cli:ann. No call was made." in again


@pytest.mark.usefixtures("here")
def test_a_command_without_the_id_of_a_broadcast_names_the_word_for_the_newest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "or @last" in said(capsys, "recall", status=2)
