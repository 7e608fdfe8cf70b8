"""The checks before the start as a terminal of 80 columns shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from broadcast.message import Message
from broadcast.rules import readiness
from broadcast.rules.plan.proof import Quota
from broadcast.rules.readiness import (
    AccountFacts,
    AddressFacts,
    Check,
    ClockFacts,
    Problem,
    Refusal,
)
from broadcast.views.texts import LANGUAGES, Texts
from entrypoints.cli.readiness_checks import lines
from entrypoints.cli.terminal import Terminal
from tests.unit.cli.test_colours import GREEN, RED, seen_by
from tests.unit.views.reports import EN, ZH

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "https://api.weixin.qq.com"
LISTED = Refusal(errcode=40164, errmsg="invalid ip 247.194.148.108 ipv6 ::ffff:247.194.148.108")
LEFT, NONE = (Quota(daily_limit=100, used=100 - n, remain=n) for n in (97, 0))
CODES = sorted(readiness.FIXES | {40013, 40001, 40125, 61004, -1, 45011, 48004})
OFF = [timedelta(minutes=n) for n in (-100, -2, 0, 2, 100)]


def of_account(
    name: str, problem: Problem | None = None, calls: Quota | Problem | None = LEFT
) -> list[Check]:
    facts = AccountFacts(
        name=name,
        token_problem=problem,
        calls=calls,
        appid_setting="WECHAT_APPID",
        appsecret_setting="WECHAT_APPSECRET_FILE",
    )
    return list(readiness.of_account(facts))


def common(ahead: timedelta = timedelta(0)) -> list[Check]:
    answered = AddressFacts(address=ADDRESS, elapsed=timedelta(milliseconds=42))
    return [readiness.of_address(answered), readiness.of_clocks(ClockFacts(machine=ahead))]


def shown(checks: Sequence[Check], texts: Texts = EN, *, accounts: int = 1) -> list[str]:
    return [texts(line) for line in lines(checks, texts, accounts=accounts)]


def test_one_account_has_a_line_for_each_check() -> None:
    assert shown([*common(), *of_account("default")]) == [
        "  ✓ WeChat        https://api.weixin.qq.com answers, 42 ms",
        "  ✓ clock         agrees with WeChat's",
        "  ✓ access_token  fetched: AppID and AppSecret are right",
        "  ✓ IP whitelist  WeChat accepts this machine's address",
        "  ✓ calls left    97 of 100 calls left today",
    ]


@pytest.mark.parametrize(("name", "texts"), [("", EN), (".zh", ZH)])
def test_the_quickstart_shows_the_lines_that_are_printed(name: str, texts: Texts) -> None:
    page = (ROOT / "docs" / f"quickstart-wechat{name}.md").read_text(encoding="utf-8")

    printed = [texts("up.checking"), *shown([*common(), *of_account("default")], texts)]

    assert "\n".join(printed) in page


def test_of_several_accounts_one_that_can_send_has_one_line_and_one_that_cannot_its_fix() -> None:
    checks = [*common(), *of_account("main"), *of_account("no-calls", calls=NONE)]

    told = shown([*checks, *of_account("shop", LISTED)], accounts=3)

    assert told[2:] == [
        "  ✓ main      ready; 97 of 100 calls left today",
        "  ! no-calls  ready; 0 of 100 calls left: sends wait until 00:00 Beijing time",
        "  ✗ shop      WeChat refuses the address 247.194.148.108 (40164)",
        "      Add 247.194.148.108 to the IP whitelist at",
        "      developers.weixin.qq.com/platform,",
        "      「基础信息」 → 「开发密钥」 → 「API IP 白名单」.",
    ]


def test_the_columns_stand_below_each_other_in_chinese_too() -> None:
    told = shown([*common(), *of_account("default")], ZH)

    starts = ("https", "与微信", "已获取", "微信接受", "今天还可")
    columns = {cell_len(line[: line.index(s)]) for line, s in zip(told, starts, strict=True)}
    assert len(columns) == 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_line_is_wider_than_a_terminal(lang: str) -> None:
    texts = Texts(lang)  # type: ignore[arg-type]
    quotas: list[Quota | Problem] = [NONE, Refusal(errcode=76022, errmsg="not available")]
    checks = [
        *of_account("default", LISTED),
        *of_account("default", Refusal(errcode=40164)),
        *(one for code in CODES for one in of_account("x", Refusal(errcode=code, errmsg="words"))),
        *(one for calls in quotas for one in of_account("default", calls=calls)),
        *of_account("default", calls=Message("transport.read_timeout")),
        *of_account("default", Message("transport.read_timeout")),
        *(one for ahead in OFF for one in common(ahead)),
        *(
            readiness.of_clocks(ClockFacts(machine=ahead, database=other))
            for ahead in OFF
            for other in OFF
        ),
        readiness.of_clocks(ClockFacts(machine=None)),
        readiness.of_address(AddressFacts(address=ADDRESS, problem=Message("transport.dns"))),
    ]

    assert [line for line in shown(checks, texts) if cell_len(line) > 80] == []


def test_a_terminal_without_the_marks_gets_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="gbk"))

    told = shown([*common(), *of_account("shop", LISTED)])

    assert [line[2] for line in told[:3]] == ["+", "+", "x"]


def test_the_mark_alone_has_the_colour_of_its_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = seen_by(monkeypatch)

    for line in lines([*common(), *of_account("shop", LISTED)], EN, accounts=1):
        Terminal(EN).say(line)

    told = seen.getvalue().splitlines()
    assert told[0].startswith(f"{GREEN}  ✓\x1b[0m WeChat")
    assert told[2].startswith(f"{RED}  ✗\x1b[0m IP whitelist")
    assert told[3].startswith("      Add ")
