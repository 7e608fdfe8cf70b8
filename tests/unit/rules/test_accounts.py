"""Accounts from the environment and from the accounts file."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from broadcast import redaction
from broadcast.errors import SettingsError
from broadcast.rules.accounts import Account, AccountKind
from broadcast.settings.program_settings import Settings
from tests.unit.rules.conftest import APPID, SECRET

pytestmark = pytest.mark.usefixtures("environment")

#: As WeChat makes its AppSecrets.
HEX = "0123456789abcdef" * 2
GOOD = f'appid = "{APPID}"\nappsecret = "{SECRET}"\n'
OTHER = f'appid = "wx9999999999999999"\nappsecret = "{SECRET}"\n'


def refusal() -> SettingsError:
    """The error of reading the accounts, after a look for the secret in all it shows."""
    with pytest.raises(SettingsError) as caught:
        Settings.load().accounts()
    error = caught.value
    shown = [str(error), repr(error), repr(error.facts), *traceback.format_exception(error)]
    assert SECRET not in "".join(shown)
    assert error.__context__ is None
    return error


def secret_of(account: Account) -> str:
    return account.appsecret.get_secret_value()


class TestFromTheEnvironment:
    """The one account called ``default``."""

    def test_it_takes_every_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WECHAT_ACCOUNT_KIND", "test")
        monkeypatch.setenv("WECHAT_API_BASE", "http://127.0.0.1:8900")
        monkeypatch.setenv("WECHAT_TOKEN_MODE", "classic")
        monkeypatch.setenv("WECHAT_CALLS_PER_MINUTE", "0")

        account = Settings.load().account(None)

        assert (account.name, account.appid, secret_of(account)) == ("default", APPID, SECRET)
        assert account.account_kind is AccountKind.TEST
        assert account.api_base == "http://127.0.0.1:8900"
        assert (account.token_mode, account.calls_per_minute) == ("classic", 0)

    @pytest.mark.parametrize(
        ("variable", "text", "name"),
        [
            ("WECHAT_APPID", "wx 1", "appid"),
            ("WECHAT_APPSECRET", "short", "appsecret"),
        ],
    )
    def test_missing_or_wrong_value_is_named(
        self, variable: str, text: str, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, text)

        error = refusal()

        assert (error.facts["account"], error.facts["name"]) == ("default", name)
        assert error.facts["variable"] == f"WECHAT_{name.upper()}"

    @pytest.mark.parametrize(
        ("appid", "appsecret"),
        [(HEX, APPID), (HEX.upper(), "not of that form"), ("an-appid", APPID)],
    )
    def test_values_that_look_swapped_are_refused_and_not_echoed(
        self, appid: str, appsecret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WECHAT_APPID", appid)
        monkeypatch.setenv("WECHAT_APPSECRET", appsecret)

        error = refusal()

        assert error.message_id == "error.settings.swapped"
        assert error.facts == {"account": "default"}
        assert not [value for value in (appid, appsecret) if value in str(error)]

    def test_secret_file_is_read_without_its_line_end(
        self, environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = environment / "secret"
        path.write_bytes(f"{SECRET}\r\n".encode("utf-8-sig"))
        monkeypatch.delenv("WECHAT_APPSECRET")
        monkeypatch.setenv("WECHAT_APPSECRET_FILE", str(path))

        assert secret_of(Settings.load().account(None)) == SECRET

    @pytest.mark.parametrize("content", [None, f"{SECRET} 公众号".encode("gb18030")])
    def test_secret_file_that_cannot_be_read_is_named(
        self, content: bytes | None, environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = environment / "secret"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.delenv("WECHAT_APPSECRET")
        monkeypatch.setenv("WECHAT_APPSECRET_FILE", str(path))

        error = refusal()

        assert (error.message_id, error.facts) == (
            "error.settings.secret_file",
            {"path": path, "variable": "WECHAT_APPSECRET_FILE"},
        )

    def test_empty_secret_file_is_a_missing_secret(
        self, environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (environment / "secret").write_text("\n")
        monkeypatch.delenv("WECHAT_APPSECRET")
        monkeypatch.setenv("WECHAT_APPSECRET_FILE", "secret")

        assert refusal().facts["name"] == "appsecret"

    def test_account_shows_no_secret_and_logs_will_mask_it(self) -> None:
        account = Settings.load().account(None)

        assert SECRET not in f"{account!r} {account} {account.model_dump_json()}"
        assert SECRET not in redaction.redact(f"it is {SECRET}, they say")


class TestPreviewGroups:
    """Its variable is read as an account's key."""

    def test_a_group_without_receivers_says_what_groups_look_like(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WECHAT_PREVIEW_GROUPS", "team")

        error = refusal()

        assert error.message_id == "error.settings.preview_groups"
        assert error.facts["variable"] == "WECHAT_PREVIEW_GROUPS"


class TestEmptyVariables:
    """Set to nothing is an error, whatever ``.env`` says."""

    @pytest.mark.parametrize("name", ["WECHAT_APPID", "wechat_appid"])
    def test_appid_that_was_emptied_is_not_taken_from_dotenv(
        self, name: str, environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (environment / ".env").write_text(f"WECHAT_APPID={APPID}\nWECHAT_APPSECRET={SECRET}\n")
        monkeypatch.delenv("WECHAT_APPID")
        monkeypatch.setenv(name, "")

        error = refusal()

        assert (error.message_id, error.facts["name"]) == ("error.settings.empty", name)

    def test_what_the_environment_does_not_name_is_taken_from_dotenv(
        self, environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (environment / ".env").write_text(f"wechat_appsecret={SECRET}x\nWECHAT_APPID=wxignored\n")
        monkeypatch.delenv("WECHAT_APPSECRET")

        account = Settings.load().account(None)

        assert (account.appid, secret_of(account)) == (APPID, f"{SECRET}x")
