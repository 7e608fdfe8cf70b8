"""Outside of a checkout no command makes a database that nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcast.settings import program_settings
from entrypoints.cli import main


@pytest.mark.parametrize("words", [("db", "upgrade"), ("list",)])
def test_a_database_that_nobody_named_is_refused_outside_of_a_checkout(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr(program_settings, "IS_CHECKOUT", False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    assert main.run(words) == 2

    (told,) = capsys.readouterr().err.splitlines()
    assert "DATABASE_URL" in told
