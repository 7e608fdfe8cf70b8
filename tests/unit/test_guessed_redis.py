"""A worker, a beat and Flower log where they look for Redis when nothing names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcast.settings import program_settings
from worker import application


@pytest.mark.parametrize(("url", "lines"), [(None, 1), ("redis://named:6379/0", 0)])
def test_a_guessed_redis_is_logged(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    url: str | None,
    lines: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program_settings, "UP_REDIS", tmp_path / "none")
    monkeypatch.delenv("REDIS_URL", raising=False)
    if url:
        monkeypatch.setenv("REDIS_URL", url)

    application._warn_of_guessed_redis()

    assert len(caplog.records) == lines
    assert all("redis://localhost:6379/0" in str(one.args) for one in caplog.records)
