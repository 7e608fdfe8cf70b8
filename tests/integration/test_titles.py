"""By what a person recognises a broadcast: its title, or the first words of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.integration.test_which import said
from tests.kit import ledger


@pytest.fixture
def list_file(tmp_path: Path) -> str:
    file = tmp_path / "followers.txt"
    file.write_text("\n".join(ledger.openids(3)), encoding="ascii")
    return str(file)


def test_title_and_first_words_stand_in_list_and_status_with_the_sender(
    here: Engine, capsys: pytest.CaptureFixture[str], list_file: str
) -> None:
    del here
    said(capsys, "send", "--openids", list_file, "--text", "Doors open\nat nine", "--title", "June")

    listed, shown = said(capsys, "list"), said(capsys, "status", "@last")

    assert " June " in listed
    assert "June · text “Doors open at nine”" in shown
    assert ", by cli:" in shown


def test_without_a_title_the_list_has_the_first_words(
    here: Engine, capsys: pytest.CaptureFixture[str], list_file: str
) -> None:
    del here
    said(capsys, "send", "--openids", list_file, "--text", "Doors open\nat nine")

    assert "Doors open at nine" in said(capsys, "list")


@pytest.mark.parametrize(
    ("title", "told"),
    [("", "empty"), ("x" * 65, "65 characters"), ("a\x1bb", "control character")],
)
def test_a_title_that_cannot_be_shown_is_refused_and_nothing_is_stored(
    here: Engine, capsys: pytest.CaptureFixture[str], list_file: str, title: str, told: str
) -> None:
    del here
    refused = said(
        capsys, "send", "--openids", list_file, "--text", "x", "--title", title, status=2
    )

    assert told in refused
    assert "There are no broadcasts yet" in said(capsys, "list")
