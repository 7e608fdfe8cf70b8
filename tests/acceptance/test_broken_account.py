"""An account that cannot send is said before the question, in the words of `up`'s check."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.kit import dates
from tests.kit.terminal import Shown, typed

TOKEN = "/cgi-bin/stable_token"

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Two followers, and a list of them."""
    made = start_system(followers=2)
    (made.folder / "list.txt").write_text("\n".join(made.simulator.openids(2)), "ascii")
    return made


def asked(system: System, *options: str, lang: str = "en") -> Shown:
    line = " ".join(("broadcast send --openids list.txt --text hello", *options))
    environment = {**os.environ, **system.env, "BROADCAST_LANG": lang}
    return typed(line, folder=system.folder, environment=environment, answers=["n"])


def with_wrong_secret(system: System) -> None:
    file = system.folder / "accounts.toml"
    secret = system.simulator.accounts[0].secret
    file.write_text(file.read_text("utf-8").replace(secret, "f" * 32), "utf-8")


@pytest.mark.parametrize(
    ("lang", "found", "fix"),
    [
        (
            "en",
            "no access_token (40125), so it can send nothing. The AppSecret is wrong",
            "appsecret of [accounts.default] in ",
        ),
        (
            "zh",
            "微信未发放 access_token（40125）。AppSecret 不正确",
            "中 [accounts.default] 的 appsecret",
        ),
    ],
)
def test_with_a_wrong_appsecret_nobody_is_asked(
    system: System, lang: str, found: str, fix: str
) -> None:
    with_wrong_secret(system)

    shown = asked(system, lang=lang)

    told = "".join(shown.text.split())
    assert shown.status == 2
    assert "".join(found.split()) in told
    assert "".join(fix.split()) in told
    assert "[y/N]" not in shown.text
    assert system.all_reports() == []
    # What another command learned moments ago is as good.
    assert "".join(found.split()) in "".join(asked(system, lang=lang).text.split())


def test_an_address_that_is_not_listed_is_named_with_where_to_list_it(system: System) -> None:
    system.simulator.change_account(whitelist=["47.94.148.108"])

    shown = asked(system)

    assert shown.status == 2
    told = " ".join(shown.text.split())
    assert "WeChat refuses the address 127.0.0.1 (40164), so it can send nothing." in told
    assert "Add 127.0.0.1 to the IP whitelist" in told
    assert "[y/N]" not in told


def test_before_a_time_to_come_it_is_said_and_asked_all_the_same(system: System) -> None:
    with_wrong_secret(system)

    shown = asked(system, f"--at {dates.ahead(9).isoformat()}")

    told = " ".join(shown.text.split())
    told_once = "Account default: WeChat gives no access_token (40125). Nothing is sent before"
    assert told.count(told_once) == 1
    assert "[y/N]" in told


def test_a_refusal_that_passes_is_a_warning_and_no_verdict(system: System) -> None:
    system.simulator.fault("errcode", errcode=45009, when="before", path=TOKEN)

    told = " ".join(asked(system).text.split())

    assert "45009 reach max" in told
    assert "can send nothing" not in told
    assert "[y/N]" in told


def test_a_refresh_of_the_token_says_which_address_to_list_also_just_after_another(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2, BROADCAST_LANG="zh")
    system.simulator.change_account(whitelist=["47.94.148.108"])

    for _ in range(2):
        told = system.broadcast("token", "refresh", status=1).stderr
        assert "账号 default 无法发送：微信不接受 IP 127.0.0.1（40164）" in told
        assert "「API IP 白名单」添加 127.0.0.1" in "".join(told.split("\n"))
