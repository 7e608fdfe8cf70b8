"""What is said of a run of a campaign by options, and who is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.ledger.campaigns import campaign_rows, launch_rows
from tests.integration.test_audience_options import TEXT, typed
from tests.integration.test_which import said
from tests.kit import ledger

FRIDAYS = ("--cron", "0 20 * * 5")


def add(capsys: pytest.CaptureFixture[str], *audience: str) -> None:
    said(capsys, "campaigns", "add", "weekly", *audience, *TEXT, *FRIDAYS)


def runs(here: Engine) -> int:
    campaign = campaign_rows.named(here, "weekly")
    return len(launch_rows.history(here, campaign.id, most=10))


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--yes",)])
def test_the_word_for_everybody_is_refused_of_a_run_to_a_list_as_of_a_send(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    add(capsys, "--openids", "list.txt")

    refused = said(capsys, "campaigns", "run", "weekly", "--yes-to-all", *words, status=2)

    assert "--yes-to-all goes with --to-all only" in refused
    assert len(refused.splitlines()) == 1
    assert runs(here) == 0


def test_a_run_to_everybody_is_refused_where_nobody_says_so_in_as_many_words(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "--to-all", "--yes-to-all")

    refused = said(capsys, "campaigns", "run", "weekly", "--yes", status=2)

    assert "say so with --yes-to-all" in refused
    assert runs(here) == 0


@pytest.mark.usefixtures("here")
def test_whoever_types_the_name_of_the_account_may_call_the_send_off_although_yes_was_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "default")
    words = ("--to-all", "--yes", "--ignore-suppression")

    shown = said(capsys, "send", *words, *TEXT)

    assert "EVERY follower" in shown
    assert "`broadcast cancel` stops it" in " ".join(shown.split())


@pytest.mark.parametrize("at_terminal", [True, False])
@pytest.mark.usefixtures("here")
def test_what_a_send_of_its_content_is_warned_of_is_said_of_a_campaign_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, at_terminal: bool
) -> None:
    words = ("--tag", "2", "--text", rf"Doors open\n{'x' * 300}")
    for command in (("add", "weekly", *FRIDAYS), ("edit", "weekly", "--title", "Doors")):
        if at_terminal:
            typed(monkeypatch, "y")

        shown = " ".join(said(capsys, "campaigns", *command, *words).split())

        asked_at = shown.index("[y/N]") if at_terminal else len(shown)
        for warning in ("WeChat's newer rules guarantee only 300", r"The text has \n, which"):
            assert shown.count(warning) == 1
            assert shown.index(warning) < asked_at


@pytest.mark.usefixtures("here")
def test_a_key_of_a_run_is_refused_beside_the_time_of_a_held_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(capsys, "--tag", "2")

    refused = said(capsys, "campaigns", "run", "weekly", "--key", "k", "--due", "20:00", status=2)

    assert "--key is for a run of now and does not go with --due" in refused
