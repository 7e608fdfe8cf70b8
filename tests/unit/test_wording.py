"""What a worker says: words at its edge, from ids and facts within."""

from __future__ import annotations

import logging

import pytest

from broadcast import redaction
from broadcast.errors import OutOfReachError
from broadcast.logs.log_lines import InEnglish, refuse
from broadcast.message import Message


@pytest.mark.parametrize(("lang", "words"), [("zh", "无法"), ("en", "cannot be reached")])
def test_a_worker_that_refuses_to_start_says_so_in_the_person_s_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lang: str, words: str
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", lang)

    with pytest.raises(SystemExit) as end:
        refuse(OutOfReachError("error.database.away", cause="refused"), status=3)

    assert end.value.code == 3
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def logged(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    make = logging.getLogRecordFactory()
    record = make("x", logging.WARNING, "f.py", 1, "account %s: %s", arguments, None)
    assert InEnglish().filter(record)
    return record.getMessage()


def test_an_error_in_the_log_has_its_english_words_and_its_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = OutOfReachError("error.database.away", cause="refused")

    assert logged(monkeypatch, "shop", error) == (
        "account shop: The database cannot be reached (refused). Start it, or correct DATABASE_URL."
    )
    assert logged(monkeypatch, "shop", Message("worker.clock.behind")) == "account shop: behind"


def test_a_secret_in_an_error_stays_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    error = OutOfReachError("error.database.away", cause="secret=hunter2hunter2")
    redaction.install()
    try:
        line = logged(monkeypatch, "shop", error)
    finally:
        redaction.uninstall()

    assert "hunter2" not in line
    assert "error.database.away" in line
