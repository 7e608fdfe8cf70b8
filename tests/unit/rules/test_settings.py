"""The settings: every variable, every wrong value by its name, no secret in any of it."""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.rules.accounts import AccountKind
from broadcast.rules.gates.cooling_off import CoolingOff
from broadcast.settings import program_settings
from broadcast.settings.program_settings import Settings
from entrypoints.cli.embedded import embedded_stack

pytestmark = pytest.mark.usefixtures("clean_environment")

SECRET = "S3cret-0123456789"
VALUES = {
    "WECHAT_APPID": ("appid", "wx0123456789abcdef", "wx0123456789abcdef"),
    "WECHAT_APPSECRET": ("appsecret", SECRET, SecretStr(SECRET)),
    "WECHAT_APPSECRET_FILE": ("appsecret_file", "/run/secret", Path("/run/secret")),
    "WECHAT_ACCOUNT_KIND": ("account_kind", "subscription", AccountKind.SUBSCRIPTION),
    "WECHAT_API_BASE": ("api_base", "http://127.0.0.1:8900/", "http://127.0.0.1:8900"),
    "WECHAT_TOKEN_MODE": ("token_mode", "classic", "classic"),
    "WECHAT_CALLS_PER_MINUTE": ("calls_per_minute", "0", 0),
    "BROADCAST_ACCOUNTS_FILE": ("accounts_file", "accounts.toml", Path("accounts.toml")),
    "BROADCAST_BATCH_SIZE": ("batch_size", "2", 2),
    "DATABASE_URL": ("database_url", "mysql://u:p@h/d", SecretStr("mysql://u:p@h/d")),
    "REDIS_URL": ("redis_url", "rediss://:p@h:6380/1", SecretStr("rediss://:p@h:6380/1")),
    "CELERY_BROKER_URL": ("broker_url", "amqp://u:p@h//", SecretStr("amqp://u:p@h//")),
    "BROADCAST_REDIS_PREFIX": ("redis_prefix", "blue:", "blue:"),
    "BROADCAST_ENQUEUE_TO_ALL": ("enqueue_to_all", "yes", True),
    "BROADCAST_LATE_BY": ("late_by", "1h30m", timedelta(minutes=90)),
    "BROADCAST_COOLING_OFF": (
        "cooling_off",
        "90s above 20",
        CoolingOff(length=timedelta(seconds=90), above=20),
    ),
    "BROADCAST_PREVIEW_TO": ("preview_to", "editor_01", "editor_01"),
    "BROADCAST_API_KEYS": ("api_keys", "k" * 20, SecretStr("k" * 20)),
    "BROADCAST_API_KEYS_FILE": ("api_keys_file", "/run/keys", Path("/run/keys")),
    "WECHAT_CALLBACK_TOKEN": ("callback_token", "Tok3n", SecretStr("Tok3n")),
    "WECHAT_CALLBACK_TOKEN_FILE": ("callback_token_file", "/run/token", Path("/run/token")),
    "WECHAT_ENCODING_AES_KEY": ("encoding_aes_key", "k" * 43, SecretStr("k" * 43)),
    "WECHAT_ENCODING_AES_KEY_FILE": ("encoding_aes_key_file", "/run/key", Path("/run/key")),
    "WECHAT_UNSUBSCRIBE_WORDS": ("unsubscribe_words", "退订,TD", "退订,TD"),
    "WECHAT_RESUBSCRIBE_WORDS": ("resubscribe_words", "订阅", "订阅"),
    "WECHAT_UNSUBSCRIBE_REPLY": ("unsubscribe_reply", "再见", "再见"),
    "WECHAT_RESUBSCRIBE_REPLY": ("resubscribe_reply", "您好", "您好"),
    "WECHAT_REPLIES": ("replies", "{}", "{}"),
    "WECHAT_SHARED_QUOTA": ("shared_quota", "false", False),
    "WECHAT_SEND_PROTECTION": ("send_protection", "yes", True),
    "WECHAT_PREVIEW_GROUPS": ("preview_groups", "team=editor_01", "team=editor_01"),
    "BROADCAST_TEXT_LIMIT": ("text_limit", "300", 300),
    "BROADCAST_WAIT_SCALE": ("wait_scale", "0.0167", 0.0167),
    "BROADCAST_SPLIT_DEPTH": ("split_depth", "0", 0),
    "BROADCAST_PAUSE_AFTER_REFUSALS": ("pause_after_refusals", "0", 0),
    "BROADCAST_PAUSE_AFTER_DOUBTS": ("pause_after_doubts", "1000", 1000),
    "BROADCAST_WATCH_DRAFTS": ("watch_drafts", "0", 0),
    "BROADCAST_NOTIFY_AGAIN": ("notify_again", "1h", timedelta(hours=1)),
    "BROADCAST_METRICS_PORT": ("metrics_port", "9808", 9808),
    "BROADCAST_METRICS_HOST": ("metrics_host", "0.0.0.0", "0.0.0.0"),
    "BROADCAST_CONCURRENCY": ("concurrency", "512", 512),
    "WECHAT_NOTIFY_URL": ("notify_url", "https://h.example/x", "https://h.example/x"),
    "BROADCAST_WEBHOOK_SECRETS": (
        "webhook_secrets",
        f"whsec_{'A' * 32}",
        SecretStr(f"whsec_{'A' * 32}"),
    ),
    "BROADCAST_WEBHOOK_SECRETS_FILE": ("webhook_secrets_file", "/run/hooks", Path("/run/hooks")),
    "BROADCAST_WEBHOOK_NETWORKS": ("webhook_networks", "10.0.3.0/24", "10.0.3.0/24"),
    "BROADCAST_WEBHOOK_TIMEOUT": ("webhook_timeout_s", "60", 60),
    "BROADCAST_LOG_FORMAT": ("log_format", "json", "json"),
    "BROADCAST_NOTIFY": ("notify", "https://h.example/x", SecretStr("https://h.example/x")),
    "BROADCAST_NOTIFY_FILE": ("notify_file", "/run/bots", Path("/run/bots")),
}
WRONG = [
    ("WECHAT_ACCOUNT_KIND", "robot"),
    ("WECHAT_API_BASE", "ftp://api.weixin.qq.com"),
    ("WECHAT_API_BASE", "api.weixin.qq.com"),
    ("WECHAT_API_BASE", f"https://h/?access_token={SECRET}"),
    ("WECHAT_TOKEN_MODE", "new"),
    ("WECHAT_CALLS_PER_MINUTE", "-1"),
    ("WECHAT_CALLS_PER_MINUTE", "many"),
    ("BROADCAST_LANG", "fr"),
    ("BROADCAST_LOG_FORMAT", "xml"),
    ("BROADCAST_LATE_BY", "0s"),
    ("BROADCAST_LATE_BY", "59s"),
    ("BROADCAST_LATE_BY", "367d"),
    ("BROADCAST_COOLING_OFF", "60"),
    ("BROADCAST_PREVIEW_TO", "a b"),
    ("BROADCAST_PREVIEW_TO", "o" * 29),
    ("BROADCAST_COOLING_OFF", "60s above"),
    ("BROADCAST_COOLING_OFF", "60s above -1"),
    ("BROADCAST_COOLING_OFF", "301s above 1000"),
    ("BROADCAST_BATCH_SIZE", "1"),
    ("BROADCAST_BATCH_SIZE", "10001"),
    ("BROADCAST_BATCH_SIZE", "2.5"),
    ("DATABASE_URL", f"oracle://u:{SECRET}@h/d"),
    ("DATABASE_URL", f"postgresql://u:{SECRET}@h:port/d"),
    ("DATABASE_URL", SECRET),
    ("REDIS_URL", f"http://:{SECRET}@h"),
    ("REDIS_URL", f"redis://[{SECRET}"),
    ("REDIS_URL", "redis://"),
    ("REDIS_URL", f"redis://:12?{SECRET}=x@h/0"),
    ("REDIS_URL", f"redis://h/0?{SECRET}%20x=1"),
    ("REDIS_URL", "redis+socket:///run/r.sock?virtual_host=0"),
    ("REDIS_URL", "unix://run/r.sock"),
    ("REDIS_URL", "unix://?db=1"),
    ("CELERY_BROKER_URL", f"kafka://u:{SECRET}@h"),
    ("CELERY_BROKER_URL", f"amqp+unix://u:{SECRET}@h"),
    ("CELERY_BROKER_URL", "redis+socket://run/r.sock"),
    ("CELERY_BROKER_URL", f"amqp://u:12?{SECRET}=x@h//"),
    ("CELERY_BROKER_URL", "redis://a:6379/0;htp://b"),
    ("CELERY_BROKER_URL", "redis://a:6379/0;b"),
    ("CELERY_BROKER_URL", "amqp://h//;unix://run/r.sock"),
    ("REDIS_URL", "redis://a:6379/0;redis://b:6379/0"),
    ("BROADCAST_REDIS_PREFIX", "x" * 41),
    ("BROADCAST_TEXT_LIMIT", "0"),
    ("BROADCAST_WEBHOOK_SECRETS", SECRET),
    ("BROADCAST_WEBHOOK_NETWORKS", "10.0.0.1/8"),
    ("BROADCAST_WEBHOOK_NETWORKS", "shop.example"),
    ("BROADCAST_WEBHOOK_TIMEOUT", "61"),
    ("BROADCAST_WEBHOOK_TIMEOUT", "2m"),
    ("BROADCAST_WEBHOOK_TIMEOUT", "0s"),
    ("BROADCAST_WEBHOOK_TIMEOUT", "soon"),
    ("BROADCAST_WAIT_SCALE", "0"),
    ("BROADCAST_WAIT_SCALE", "2"),
    ("BROADCAST_WAIT_SCALE", "nan"),
    ("BROADCAST_SPLIT_DEPTH", "14"),
    ("BROADCAST_PAUSE_AFTER_REFUSALS", "-1"),
    ("BROADCAST_PAUSE_AFTER_DOUBTS", "1001"),
    ("BROADCAST_WATCH_DRAFTS", "2"),
    ("BROADCAST_METRICS_PORT", "0"),
    ("BROADCAST_NOTIFY_AGAIN", "soon"),
    ("BROADCAST_CONCURRENCY", "0"),
]


def refusal() -> SettingsError:
    """The error of loading, after a look for the secret at everything a log could show of it."""
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    error = caught.value
    shown = [str(error), repr(error), repr(error.facts), *traceback.format_exception(error)]
    assert SECRET not in "".join(shown)
    assert error.__context__ is None
    return error


@pytest.mark.parametrize("name", VALUES)
def test_variable_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field, text, value = VALUES[name]
    monkeypatch.setenv(name, text)

    assert getattr(Settings.load(), field) == value


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("5", 5), ("1m", 60), (" 20s ", 20)])
def test_the_time_of_a_receiver_is_a_duration_or_seconds(
    text: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_WEBHOOK_TIMEOUT", text)

    assert Settings.load().webhook_timeout_s == seconds


@pytest.mark.parametrize("name", VALUES)
def test_variable_is_read_from_dotenv(name: str, clean_environment: Path) -> None:
    field, text, value = VALUES[name]
    (clean_environment / ".env").write_text(f"{name}={text}\n")

    assert getattr(Settings.load(), field) == value


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize("name", VALUES)
def test_an_empty_variable_is_an_error_whatever_dotenv_says(
    name: str, empty: str, clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that lost a value must not send as another account, or to another database."""
    (clean_environment / ".env").write_text(f"{name}={VALUES[name][1]}\n")
    monkeypatch.setenv(name, empty)

    with pytest.raises(SettingsError) as error:
        Settings.load()

    assert error.value.message == Message("error.settings.empty", name=name)


def test_an_empty_line_of_dotenv_is_an_error_unless_the_environment_has_a_value(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean_environment / ".env").write_text("WECHAT_APPID=\nANOTHER=\n")

    with pytest.raises(SettingsError):
        Settings.load()
    monkeypatch.setenv("WECHAT_APPID", "wx0000000000000001")
    assert Settings.load().appid == "wx0000000000000001"


def test_every_setting_is_in_the_table_above() -> None:
    # `lang` is set for every test, and its wrong value is in the table of those.
    assert {field for field, _, _ in VALUES.values()} | {"lang"} == set(Settings.model_fields)


def test_defaults_are_the_documented_ones() -> None:
    loaded = Settings.load()

    assert loaded.account_kind is AccountKind.SERVICE
    assert loaded.api_base == "https://api.weixin.qq.com"
    assert loaded.token_mode == "stable"
    assert loaded.calls_per_minute == 60
    assert loaded.batch_size == 10_000
    assert loaded.wait_scale == 1.0
    assert loaded.redis_url.get_secret_value() == "redis://localhost:6379/0"
    assert loaded.celery_broker_url == "redis://localhost:6379/0"
    database = loaded.database_url.get_secret_value()
    assert database == f"sqlite:///{program_settings.ROOT}/var/broadcast.db"
    assert loaded.accounts() == {}


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_wrong_value_is_named_and_never_echoes_a_secret(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)

    error = refusal()

    assert error.facts == {"name": name}
    assert error.exit_status == 2


def test_wrong_value_in_dotenv_is_named_alike(clean_environment: Path) -> None:
    (clean_environment / ".env").write_text("broadcast_batch_size=1\n")

    assert refusal().facts == {"name": "BROADCAST_BATCH_SIZE"}


def test_environment_wins_over_dotenv(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean_environment / ".env").write_text("BROADCAST_BATCH_SIZE=100\n")
    monkeypatch.setenv("BROADCAST_BATCH_SIZE", "200")

    assert Settings.load().batch_size == 200


def test_dotenv_of_a_windows_editor_is_read(clean_environment: Path) -> None:
    """Its byte order mark would otherwise become part of the first name."""
    text = "WECHAT_APPID=wx0123456789abcdef\r\nWECHAT_CALLS_PER_MINUTE=6\r\n"
    (clean_environment / ".env").write_bytes(text.encode("utf-8-sig"))

    loaded = Settings.load()

    assert (loaded.appid, loaded.calls_per_minute) == ("wx0123456789abcdef", 6)


def test_dotenv_of_another_encoding_is_told_and_not_shown(clean_environment: Path) -> None:
    text = f"WECHAT_APPSECRET={SECRET}\n# 公众号\n"
    (clean_environment / ".env").write_bytes(text.encode("gb18030"))

    error = refusal()

    assert error.message_id == "error.settings.dotenv"
    assert error.facts == {"byte": len(f"WECHAT_APPSECRET={SECRET}\n# ")}


def test_broker_is_redis_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://h/1")
    assert Settings.load().celery_broker_url == "redis://h/1"

    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://h//")
    assert Settings.load().celery_broker_url == "amqp://h//"


def test_redis_of_a_running_up_is_found(clean_environment: Path) -> None:
    program_settings.UP_REDIS.parent.mkdir()
    program_settings.UP_REDIS.write_text("unix:///tmp/valkey.sock")

    assert Settings.load().redis_url.get_secret_value() == "unix:///tmp/valkey.sock"


@pytest.mark.parametrize(
    ("up", "ours", "found"),
    [
        (None, None, True),
        (None, "sqlite:///own.db", False),
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d", True),
        ("postgresql://u:p@h/d", None, False),
        ("sqlite:///own.db", "sqlite:///own.db", True),
    ],
)
def test_the_account_of_a_running_up_is_that_of_its_database_alone(
    clean_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    up: str | None,
    ours: str | None,
    *,
    found: bool,
) -> None:
    def load(url: str | None) -> Settings:
        if url is None:
            monkeypatch.delenv("DATABASE_URL", raising=False)
        else:
            monkeypatch.setenv("DATABASE_URL", url)
        return Settings.load()

    for name in ("UP_ACCOUNTS", "UP_DATABASE"):
        monkeypatch.setattr(embedded_stack, name, getattr(program_settings, name))
    program_settings.UP_DATABASE.parent.mkdir()
    with embedded_stack.left("http://127.0.0.1:1", load(up)):
        assert (list(load(ours).accounts()) == ["demo"]) is found
        # The same name of a file is another one in another folder.
        (clean_environment / "elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        assert bool(load(ours).accounts()) is (found and "sqlite" not in (ours or ""))
    assert load(up).accounts() == {}


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WECHAT_APPSECRET", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{SECRET}@h/d")
    monkeypatch.setenv("REDIS_URL", f"redis://:{SECRET}@h")
    monkeypatch.setenv("CELERY_BROKER_URL", f"amqp://u:{SECRET}@h//")

    loaded = Settings.load()

    assert SECRET not in f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"


def test_the_waits_are_known_whatever_is_wrong_with_the_accounts(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean_environment / "accounts.toml").write_text("[accounts", "ascii")
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", str(clean_environment / "accounts.toml"))
    settings = Settings.load()

    with pytest.raises(SettingsError):
        settings.tuning()
    assert settings.waits().scaled(timedelta(seconds=1)) == timedelta(seconds=1)
