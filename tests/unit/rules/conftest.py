"""An environment without the project's variables, in a folder without ``.env``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broadcast.settings import program_settings

OURS = ("WECHAT_", "BROADCAST_", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
APPID = "wx0123456789abcdef"
SECRET = "S3cret-0123456789"


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the working directory."""
    for name in os.environ:
        if name.upper().startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROADCAST_LANG", "en")
    monkeypatch.setattr(program_settings, "UP_REDIS", tmp_path / "up" / "redis.url")
    monkeypatch.setattr(program_settings, "UP_ACCOUNTS", tmp_path / "up" / "simulator.toml")
    monkeypatch.setattr(program_settings, "UP_DATABASE", tmp_path / "up" / "database.url")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account in the environment."""
    monkeypatch.setenv("WECHAT_APPID", APPID)
    monkeypatch.setenv("WECHAT_APPSECRET", SECRET)
    return clean_environment
