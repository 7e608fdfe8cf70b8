"""The accounts file: its keys, its secrets, and the account of the environment beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcast.errors import SettingsError
from broadcast.rules.accounts import AccountKind, from_file
from broadcast.settings.program_settings import Settings
from tests.unit.rules.conftest import APPID, SECRET
from tests.unit.rules.test_accounts import GOOD, OTHER, refusal, secret_of

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def file(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of an accounts file that the test writes; the environment has no account."""
    monkeypatch.delenv("WECHAT_APPID")
    monkeypatch.delenv("WECHAT_APPSECRET")
    path = environment / "accounts.toml"
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", str(path))
    return path


class TestFromTheFile:
    """Several accounts, each a table."""

    def test_it_takes_every_key(self, file: Path) -> None:
        file.write_text(
            f'[accounts.shop]\n{GOOD}account_kind = "subscription"\ntoken_mode = "classic"\n'
            'api_base = "http://h:1"\ncalls_per_minute = 30\ncallback_token = "tok"\n'
            f'encoding_aes_key = "{43 * "k"}"\nunsubscribe_words = ["退订"]\n'
            f'replies = {{ "你好" = "您好" }}\n[accounts.news]\n{OTHER}'
        )

        accounts = Settings.load().accounts()

        assert sorted(accounts) == ["news", "shop"]
        shop = accounts["shop"]
        assert (shop.name, shop.appid, secret_of(shop)) == ("shop", APPID, SECRET)
        assert (shop.account_kind, shop.token_mode) == (AccountKind.SUBSCRIPTION, "classic")
        assert (shop.api_base, shop.calls_per_minute) == ("http://h:1", 30)
        assert accounts["news"].calls_per_minute == 60
        assert (shop.unsubscribe_words, shop.replies) == (("退订",), (("你好", "您好"),))

    def test_secret_may_stand_in_its_own_file(self, environment: Path, file: Path) -> None:
        (environment / "secret").write_text(SECRET)
        file.write_text(f'[accounts.shop]\nappid = "{APPID}"\nappsecret_file = "secret"\n')

        assert secret_of(Settings.load().accounts()["shop"]) == SECRET

    @pytest.mark.parametrize(
        ("table", "name"),
        [
            (f'appsecret = "{SECRET}"', "appid"),
            (f'appid = "{APPID}"', "appsecret"),
            (f'appid = "{APPID}"\nappsecret = 1234567890', "appsecret"),
        ],
    )
    def test_what_the_account_is_may_be_missing_and_comes_with_where_it_is_found(
        self, table: str, name: str, file: Path
    ) -> None:
        file.write_text(f"[accounts.shop]\n{table}\n")

        error = refusal()

        assert error.message_id == "error.settings.account_value"
        assert (error.facts["account"], error.facts["name"]) == ("shop", name)

    @pytest.mark.parametrize(
        ("table", "name"),
        [
            (f'{GOOD}name = "other"', "name"),
            (f'{GOOD}token_mode = "new"', "token_mode"),
            (f"{GOOD}calls_per_minute = -1", "calls_per_minute"),
            (f'{GOOD}calls_per_minute = "fast"', "calls_per_minute"),
            (f'{GOOD}shared_quota = "maybe"', "shared_quota"),
            (f'{GOOD}send_protection = "perhaps"', "send_protection"),
            (f"{GOOD}preview_groups = []", "preview_groups"),
            (f'{GOOD}preview_groups = ["bad id!"]', "preview_groups"),
            (f'{GOOD}notify_url = "x"', "notify_url"),
            (f'{GOOD}api_base = "ftp://h"', "api_base"),
            (f'{GOOD}api_base = "http://u:a@b@h"', "api_base"),
            (f'{GOOD}api_base = "http://u:a@b/c@h"', "api_base"),
            (f'{GOOD}account_kind = "robot"', "account_kind"),
        ],
    )
    def test_wrong_key_is_named_with_its_account_and_has_its_own_fix(
        self, table: str, name: str, file: Path
    ) -> None:
        file.write_text(f"[accounts.shop]\n{table}\n")

        error = refusal()

        assert error.message_id == f"error.settings.{name}"
        assert (error.facts["account"], error.facts["name"]) == ("shop", name)

    def test_name_that_cannot_be_used_is_refused(self, file: Path) -> None:
        file.write_text(f'[accounts."my shop"]\n{GOOD}')

        assert refusal().message_id == "error.settings.account_name"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (None, "missing"),
            (f'[accounts.shop]\nappsecret = "{SECRET}公"\n'.encode("gb18030"), "encoding"),
            (b"", "empty"),
            (b"[accounts]\n", "empty"),
            (b"accounts = 3\n", "empty"),
            (b"[accounts]\nshop = 3\n", "empty"),
            (f'appsecret = "{SECRET}"\n'.encode(), "empty"),
        ],
    )
    def test_file_that_holds_no_account_is_told(
        self, content: bytes | None, problem: str, file: Path
    ) -> None:
        if content is not None:
            file.write_bytes(content)

        error = refusal()

        assert error.message_id == f"error.settings.accounts_file_{problem}"
        assert error.facts["path"] == file
        assert SECRET not in str(error.facts)

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (f"[accounts.shop]\r\nappsecret = {SECRET}\r\n", "2"),
            (f'[accounts.shop]\nappid = "x"\nappsecret = "{SECRET}', "3"),
            ("[accounts.shop", "1"),
        ],
    )
    def test_file_that_is_no_toml_is_told_with_the_line_and_not_the_secret_in_it(
        self, content: str, line: str, file: Path
    ) -> None:
        file.write_bytes(content.encode())

        error = refusal()

        assert error.message_id == "error.settings.accounts_file_toml"
        assert {name: str(fact) for name, fact in error.facts.items()} == {
            "path": str(file),
            "line": line,
        }

    def test_a_file_may_begin_with_a_byte_order_mark(self, file: Path) -> None:
        file.write_text(f"[accounts.shop]\n{GOOD}", "utf-8-sig")

        assert set(from_file(file)) == {"shop"}


class TestFromBoth:
    """The file names the accounts; that of the environment is not left out in silence."""

    @pytest.fixture(autouse=True)
    def both(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WECHAT_APPID", APPID)
        monkeypatch.setenv("WECHAT_APPSECRET", SECRET)

    def test_an_account_that_the_file_lacks_is_told(self, file: Path) -> None:
        file.write_text(f"[accounts.shop]\n{OTHER}")
        loaded = Settings.load()

        assert set(loaded.accounts()) == {"shop"}
        left_out = loaded.left_out()
        assert left_out is not None
        assert (left_out.id, left_out.facts["appid"]) == ("settings.left_out", APPID)

    def test_one_that_the_file_has_under_another_name_is_not(self, file: Path) -> None:
        file.write_text(f"[accounts.shop]\n{GOOD}")

        assert Settings.load().left_out() is None

    def test_api_base_of_the_environment_is_that_of_each_account_of_the_file_without_its_own(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody who means the simulator would send to real followers."""
        monkeypatch.setenv("WECHAT_API_BASE", "http://127.0.0.1:8900/")
        file.write_text(
            f'[accounts.shop]\n{GOOD}api_base = "https://own.example"\n[accounts.news]\n{OTHER}'
        )

        bases = {name: one.api_base for name, one in Settings.load().accounts().items()}

        assert bases == {"shop": "https://own.example", "news": "http://127.0.0.1:8900"}

    def test_without_an_api_base_anywhere_the_accounts_of_the_file_are_at_wechat(
        self, file: Path
    ) -> None:
        file.write_text(f"[accounts.shop]\n{GOOD}")

        assert Settings.load().account("shop").api_base == "https://api.weixin.qq.com"

    def test_without_a_file_nothing_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("BROADCAST_ACCOUNTS_FILE")

        assert Settings.load().left_out() is None


class TestUnknownKeys:
    """A key of the accounts file that is none is named as itself, not as a variable."""

    @pytest.mark.parametrize(
        ("key", "near"),
        [
            ("kind", "account_kind"),
            ("secret", "appsecret"),
            ("app_id", "appid"),
            ("WECHAT_APPID", None),
            ("colour", None),
        ],
    )
    def test_it_is_told_with_what_was_meant(self, file: Path, key: str, near: str | None) -> None:
        file.write_text(f'[accounts.shop]\n{GOOD}{key} = "service"\n')

        error = refusal()

        assert (error.facts["account"], error.facts["name"]) == ("shop", key)
        assert "variable" not in error.facts
        if near:
            assert error.message_id == "error.settings.account_key_near"
            assert error.facts["names"] == near
        else:
            assert error.message_id == "error.settings.account_key"
            assert "account_kind" in str(error.facts["names"])


@pytest.mark.parametrize("mode", ["stable", "classic"])
def test_stable_token_is_advised_where_it_is_not_used(file: Path, mode: str) -> None:
    file.write_text(f'[accounts.shop]\n{GOOD}token_mode = "{mode}"\n')

    drifted = Settings.load().account(None).drifted()

    assert drifted.id == {"stable": "token.drift", "classic": "token.drift_classic"}[mode]


class TestChoice:
    """Which account a command means."""

    @pytest.fixture(autouse=True)
    def two_accounts(self, file: Path) -> None:
        file.write_text(f"[accounts.shop]\n{GOOD}[accounts.news]\n{OTHER}")

    def test_it_is_the_named_one(self) -> None:
        assert Settings.load().account("news").name == "news"

    def test_without_a_name_it_must_be_the_only_one(self) -> None:
        with pytest.raises(SettingsError) as caught:
            Settings.load().account(None)
        assert caught.value.facts == {"names": "news, shop"}

    @pytest.mark.parametrize(("wrong", "names"), [("shopp", "shop"), ("zzz", "news, shop")])
    def test_unknown_name_is_answered_with_what_there_is(self, wrong: str, names: str) -> None:
        with pytest.raises(SettingsError) as caught:
            Settings.load().account(wrong)
        assert caught.value.facts == {"account": wrong, "names": names}

    def test_without_any_account_it_says_how_to_make_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("BROADCAST_ACCOUNTS_FILE")

        with pytest.raises(SettingsError) as caught:
            Settings.load().account(None)
        assert caught.value.message_id == "error.settings.no_account"
