"""Settings that stand in files: URLs with a password, and secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broadcast.errors import SettingsError
from broadcast.settings import environment
from broadcast.settings.good_keys import GoodKeys
from broadcast.settings.program_settings import Settings
from broadcast.views.texts import Texts
from tests.unit.rules.test_settings import VALUES

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("DATABASE_URL", "database_url"),
        ("REDIS_URL", "redis_url"),
        ("CELERY_BROKER_URL", "broker_url"),
    ],
)
def test_a_url_with_a_password_may_stand_in_a_file(
    name: str, field: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, (field, url, read) = tmp_path / "url", VALUES[name]
    file.write_text(f"{url}\n", "utf-8")
    monkeypatch.setenv(f"{name}_FILE", str(file))

    assert getattr(Settings.load(), field) == read
    assert field in Settings.load().model_fields_set


@pytest.mark.parametrize(
    ("content", "also", "problem"),
    [
        (None, None, "secret_file"),
        (" \n", None, "secret_file_empty"),
        ("redis://:p@h/0", "redis://:q@h/0", "two_places"),
        ("ftp://h", None, "REDIS_URL"),
    ],
)
def test_a_file_of_a_url_that_cannot_be_taken_is_named_and_its_content_is_not(
    content: str | None,
    also: str | None,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_text(content, "utf-8")
    monkeypatch.setenv("REDIS_URL_FILE", str(file))
    if also:
        monkeypatch.setenv("REDIS_URL", also)

    with pytest.raises(SettingsError) as caught:
        Settings.load()

    assert caught.value.message.id == f"error.settings.{problem}"
    assert "//h" not in str(caught.value.message.facts)


def test_a_file_of_a_secret_that_is_empty_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n", "utf-8")
    monkeypatch.setenv("BROADCAST_WEBHOOK_SECRETS_FILE", str(tmp_path / "empty"))

    with pytest.raises(SettingsError) as caught:
        Settings.load().signing_secrets()

    assert caught.value.message.id == "error.settings.secret_file_empty"
    assert caught.value.message.facts["variable"] == "BROADCAST_WEBHOOK_SECRETS_FILE"


@pytest.mark.parametrize("content", ["", " \n", "# nobody\n"])
def test_a_file_of_addresses_without_any_is_no_receiver_and_one_that_is_missing_is_named(
    content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "notify"
    file.write_text(content, "utf-8")
    monkeypatch.setenv("BROADCAST_NOTIFY_FILE", str(file))
    settings = Settings.load()

    assert settings.receivers() == {}
    file.unlink()
    with pytest.raises(SettingsError) as caught:
        settings.receivers()

    assert caught.value.message.id == "error.settings.secret_file"


@pytest.mark.parametrize("url", ["http://example.com/x", "https://10.0.0.1/x"])
def test_a_refused_address_or_secret_of_a_file_is_named_by_the_file(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "notify"
    file.write_text(f"# of the shop\n{url}\n", "utf-8")
    for name in ("BROADCAST_NOTIFY", "BROADCAST_WEBHOOK_SECRETS"):
        monkeypatch.setenv(f"{name}_FILE", str(file))
    settings = Settings.load()

    for read in (settings.receivers, settings.signing_secrets):
        with pytest.raises(SettingsError) as caught:
            read()
        for language in ("zh", "en"):
            assert Texts(language)(caught.value.message).startswith(str(file))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("DATABASE_URL", "settings.secret_file"),
        ("FLOWER_BASIC_AUTH", "settings.secret_file"),
        ("BROADCAST_NOTIFY", "settings.secret_file"),
        ("BROADCAST_WEBHOOK_SECRETS", "settings.secret_file"),
        ("WECHAT_APPSECRET", "settings.secret_file"),
        ("BROADCAST_ACCOUNTS", "settings.accounts_file_missing"),
        ("BROADCAST_API_KEYS", "api_keys.file"),
    ],
)
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(
    name: str, problem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "link"))

    with pytest.raises(SettingsError) as caught:
        read_every_file()

    assert caught.value.message.id == f"error.{problem}"


def read_every_file() -> None:
    environment.of_files(environment.FLOWER_SECRETS, environment.read())
    settings = Settings.load()
    settings.receivers()
    settings.signing_secrets()
    settings.accounts()
    GoodKeys(settings, list)
