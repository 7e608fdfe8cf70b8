"""What a person is told who stops a broadcast or an account, or lets it go on."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import Reason
from entrypoints.cli.main import run
from models.ledger.lane import claims
from models.ledger.steer import operator
from producer.wiring import wechat
from tests.kit import ledger
from tests.kit.ledger import Driver
from tests.kit.seat import sit

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
    monkeypatch.setattr(wechat.QuotaWithReason, "quota", lambda *_: ONE_LEFT)

    told = said(capsys, "resume", broadcast_id, status=2)

    assert f"Broadcast {broadcast_id} was not changed. It still needs 2 calls" in told
    assert "Left today: 1 (1 too few)" in told
    assert "--spread-days" not in told
    assert "Nothing was stored" not in told


def test_a_resume_without_room_names_who_holds_the_calls(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = ledger.broadcast(here)
    operator.pause(here, broadcast_id, who="tests")
    holder = ledger.broadcast(here, key="other")
    three = Quota(daily_limit=100, used=97, remain=3)
    monkeypatch.setattr(wechat.QuotaWithReason, "quota", lambda *_: three)

    told = said(capsys, "resume", broadcast_id, status=2)

    assert f"reserved by {holder}" in told
    assert "broadcast resume" in told


def test_a_halt_is_told_beside_a_newest_broadcast_that_has_ended(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its next broadcast stands still too."""
    broadcast_id = ledger.broadcast(here)
    operator.cancel(here, broadcast_id, who="tests")
    operator.halt(here, "default", who="tests")

    assert "Halted: account default" in said(capsys, "status")
    assert "Halted: account" not in said(capsys, "status", broadcast_id)


def test_a_halt_is_told_beside_an_open_broadcast_that_is_held_for_a_doubt(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report of what has ended names its doubts alone."""
    ledger.broadcast(here, batches=1)
    driver = ledger.Driver(here)
    driver.record(driver.claim(), ledger.said(45065))
    operator.halt(here, "default", who="tests")

    assert "Halted: account default" in said(capsys, "status")


def test_a_cancel_of_what_is_held_for_a_doubt_does_not_say_that_it_is_paused(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = ledger.broadcast(here, batches=1)
    driver = ledger.Driver(here)
    driver.record(driver.claim(), ledger.said(45065))
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    told = said(capsys, "cancel", broadcast_id, status=1)

    assert f"({broadcast_id}, " in told
    assert "Batches in doubt stay in doubt" in told
    assert "paused" not in told


@pytest.mark.parametrize("word", ["halt", "unhalt"])
def test_a_halt_and_its_end_name_what_is_scheduled_with_its_time(
    here: Engine, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    broadcast_id = ledger.published(here, ledger.body(at=at))
    if word == "unhalt":
        operator.halt(here, "default", who="tests")

    told = said(capsys, word, "--account", "default")

    assert f"scheduled: {broadcast_id}, " in told
    assert "(in 48 h)" in told or "(in 2 days)" in told


def test_what_is_scheduled_and_paused_as_well_is_told_as_paused(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    broadcast_id = ledger.published(here, ledger.body(at=at))
    operator.pause(here, broadcast_id, who="tests")

    told = said(capsys, "halt", "--account", "default")

    assert "scheduled:" not in told
    assert f"continue them (paused, held, or waiting for another day): {broadcast_id}" in told


def test_an_unhalt_names_the_command_that_continues_what_it_does_not(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here)
    operator.pause(here, broadcast_id, who="tests")
    operator.halt(here, "default", who="tests")

    told = said(capsys, "unhalt", "--account", "default")

    assert "an unhalt does not continue these broadcasts (1)" in told
    assert f"broadcast resume {broadcast_id}" in told
    assert "broadcast status" not in told


def test_an_unhalt_tells_what_goes_on_at_its_own_time_apart(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.published(
        here, ledger.body(size=4), size=4, batches=2, quota=ONE_LEFT, spread=True
    )
    ledger.planned(here, broadcast_id, quota=ONE_LEFT)
    driver = Driver(here)
    driver.call(ledger.said(0, msg_id=1))
    # Its share of the day is used up.
    assert claims.claim(here, driver.lease, driver.next()) is None
    operator.halt(here, "default", who="tests")

    told = said(capsys, "unhalt", "--account", "default")

    assert "these broadcasts (1) are not affected and keep their own time:" in told
    assert "does not continue" not in told


def test_what_waits_for_another_day_is_told_before_a_send_and_after_it(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger.broadcast(here)
    until = datetime.now(UTC) + timedelta(hours=5)
    ledger.wait(here, until=until, reason=Reason.QUOTA_TODAY)
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(4)), encoding="utf-8")
    words = ("send", "--openids", str(tmp_path / "list.txt"), "--text", "hello")

    for told in (said(capsys, *words, "--dry-run", status=3), said(capsys, *words)):
        assert "Waiting: account default: today's calls of this account are used up" in told
    assert "Waiting: account default" in said(capsys, "accounts")


def test_a_batch_that_is_not_there_is_told_before_wechat_is_asked(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> bool:
        raise AssertionError("WeChat was asked")

    monkeypatch.setattr(wechat.WeChat, "status_of_job", asked)
    broadcast_id = ledger.broadcast(here)

    told = said(capsys, "resolve", broadcast_id, "--batch", "77", "--sent", "1", status=2)

    assert "has no batch 77" in told


@pytest.mark.usefixtures("here")
def test_a_halt_of_all_without_readable_settings_does_not_say_that_there_is_nobody(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "accounts.toml").write_text("[accounts", encoding="utf-8")
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", "accounts.toml")

    lines = said(capsys, "halt", "--all").splitlines()

    assert any(line.startswith("Nothing was halted: the database has no account") for line in lines)
    warned = [line for line in lines if line.startswith("Warning: ")]
    assert len(warned) == 2
    assert not any("neither the settings" in line for line in lines)


@pytest.mark.parametrize("paused", [False, True])
def test_ctrl_c_before_the_question_of_a_cancel_says_what_it_left(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    paused: bool,
) -> None:
    broadcast_id = ledger.broadcast(here)
    pause = operator.pause

    def interrupted(*words: object, **facts: object) -> None:
        if paused:
            pause(*words, **facts)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    sit(monkeypatch)
    monkeypatch.setattr(operator, "pause", interrupted)

    told = said(capsys, "cancel", broadcast_id, status=130)

    assert ("It stays paused. Resume" in told) == paused
    assert "Not cancelled." in told


def test_a_halt_offers_the_end_of_what_it_stopped_before_its_own_end(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    article = ledger.published(here, ledger.of_draft(ledger.body(size=20), None))
    ledger.planned(here, article)
    Driver(here).call(ledger.said(0, msg_id=1))
    at = datetime.now(UTC) + timedelta(days=2)
    later = ledger.published(here, ledger.body(at=at, text="tomorrow's"))

    told = said(capsys, "halt")

    offers = ("broadcast cancel", "broadcast recall")
    places = [told.index(f"    {offer} {article}\n") for offer in offers]
    places.append(told.index("    broadcast unhalt --account default\n"))
    assert places == sorted(places)
    assert f"broadcast cancel {later}" not in told
    assert "“tomorrow's”" in told
