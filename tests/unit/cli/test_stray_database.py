"""Outside of a checkout no command makes a database that nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcast.settings import program_settings
from broadcast.settings.program_settings import Settings
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


def test_a_copy_of_the_program_is_refused_in_a_checkout_whose_data_it_would_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pyproject.toml", "celeryconfig.py"):
        (tmp_path / name).touch()
    monkeypatch.setattr(program_settings, "IS_CHECKOUT", False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/named.db")
    monkeypatch.delenv("REDIS_URL", raising=False)
    Settings.load()
    (tmp_path / "var").mkdir()

    assert main.run(["list"]) == 2

    (told,) = capsys.readouterr().err.splitlines()
    assert "make install" in told
    monkeypatch.setenv("REDIS_URL", "redis://named:6379/0")
    assert Settings.load().redis_url.get_secret_value() == "redis://named:6379/0"
