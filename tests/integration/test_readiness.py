"""The checks before the start, asked of the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from broadcast.errors import RedisAwayError
from broadcast.rules.readiness import Check, Level, Subject
from entrypoints.cli import readiness_checks
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal
from models.engine import open_engine
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.servers.ports import LOOPBACK, free_port
from tests.unit.views.reports import EN

if TYPE_CHECKING:
    from tests.servers.valkey import Valkey

MAIN, SHOP = (SimulatedAccount(name=name, appid=f"wx{n:016d}") for n, name in enumerate("ab", 1))
QUOTA_GET = "/cgi-bin/openapi/quota/get"
MASS_SEND = "/cgi-bin/message/mass/send"
Asked = Callable[[], dict[Subject, Check]]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator((MAIN, SHOP)) as simulator:
        yield simulator


@pytest.fixture
def wechat(
    running: Simulator, here: Engine, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Simulator:
    """A WeChat with two accounts, of which the settings have the first."""
    running.reset()
    for name, value in {
        "WECHAT_APPID": MAIN.appid,
        "WECHAT_APPSECRET": MAIN.secret,
        "WECHAT_API_BASE": running.url,
        "REDIS_URL": valkey.url,
    }.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def asked(here: Engine) -> Asked:
    """Asks for the one account; returns the checks by subject."""
    return lambda: {check.subject: check for check in found(here)}


def found(engine: Engine) -> list[Check]:
    run = Run(Terminal(EN))
    try:
        return readiness_checks.checks(run.wechat, run.settings, engine)
    finally:
        run.wechat.close()


def levels(checks: dict[Subject, Check]) -> dict[Subject, Level]:
    return {subject: check.level for subject, check in checks.items()}


def test_an_account_that_can_send_passes_every_check(wechat: Simulator, asked: Asked) -> None:
    wechat.change_account(used=3)

    checks = asked()

    assert levels(checks) == dict.fromkeys(Subject, Level.GOOD)
    assert checks[Subject.CALLS].found.facts == {"remain": 97, "limit": 100}
    assert checks[Subject.WECHAT].found.facts["address"] == wechat.url


def test_the_checks_fetch_one_token_and_make_no_mass_call(wechat: Simulator, asked: Asked) -> None:
    asked()

    paths = [call["path"] for call in wechat.calls()]
    assert paths == ["/cgi-bin/token", "/cgi-bin/stable_token", QUOTA_GET]
    assert wechat.mass_calls() == []


def test_a_wrong_appsecret_is_found_though_its_token_still_lives_and_so_is_its_correction(
    wechat: Simulator, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked()
    monkeypatch.setenv("WECHAT_APPSECRET", "f" * 32)
    wrong = asked()
    monkeypatch.setenv("WECHAT_APPSECRET", MAIN.secret)

    # At once: what other processes remember of the failure is no answer to this one.
    corrected = asked()

    assert levels(wrong) == {
        Subject.WECHAT: Level.GOOD,
        Subject.CLOCK: Level.GOOD,
        Subject.TOKEN: Level.FAILED,
    }
    assert wrong[Subject.TOKEN].found.facts["errcode"] == 40125
    assert levels(corrected) == dict.fromkeys(Subject, Level.GOOD)
    assert wechat.calls(errcode=40125)


def test_an_address_that_is_not_on_the_white_list_is_named(wechat: Simulator, asked: Asked) -> None:
    wechat.change_account(whitelist=["1.2.3.4"])

    check = asked()[Subject.WHITELIST]

    assert check.level is Level.FAILED
    assert check.fix is not None
    assert check.fix.facts == {"ip": LOOPBACK}


def test_a_question_that_is_refused_for_its_address_is_the_white_lists(
    wechat: Simulator, asked: Asked
) -> None:
    said = "access clientip is not registered requestIP: 5.6.7.8"
    wechat.fault("errcode", when="before", path=QUOTA_GET, errcode=61004, errmsg=said)

    assert asked()[Subject.WHITELIST].found.facts["ip"] == "5.6.7.8"


@pytest.mark.parametrize(("used", "level"), [(99, Level.GOOD), (100, Level.WARNING)])
def test_calls_that_are_used_up_are_a_warning(
    wechat: Simulator, asked: Asked, used: int, level: Level
) -> None:
    wechat.change_account(used=used)

    assert asked()[Subject.CALLS].level is level


def test_a_subscription_account_is_asked_for_the_calls_that_it_may_make(
    wechat: Simulator, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    wechat.change_account(kind="subscription")
    monkeypatch.setenv("WECHAT_ACCOUNT_KIND", "subscription")

    assert asked()[Subject.CALLS].level is Level.GOOD


@pytest.mark.parametrize(
    ("off_s", "level"), [(30, Level.GOOD), (-120, Level.WARNING), (600, Level.FAILED)]
)
def test_a_clock_that_is_not_wechats_is_found(
    wechat: Simulator, asked: Asked, off_s: int, level: Level
) -> None:
    wechat.set_switches(date_offset_s=off_s)

    assert asked()[Subject.CLOCK].level is level


def test_on_a_server_the_databases_clock_is_held_against_wechats(
    wechat: Simulator, postgresql_url: str
) -> None:
    wechat.set_switches(date_offset_s=600)
    engine = open_engine(postgresql_url)

    [clock] = [check for check in found(engine) if check.subject is Subject.CLOCK]
    engine.dispose()

    assert (clock.level, clock.found.id) == (Level.FAILED, "check.clock.database_behind")


def test_a_wechat_that_does_not_answer_is_all_that_is_found(
    wechat: Simulator, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECHAT_API_BASE", f"http://{LOOPBACK}:{free_port()}")

    checks = asked()

    assert levels(checks) == {Subject.WECHAT: Level.FAILED}
    assert str(checks[Subject.WECHAT].found.facts["reason"]) == "transport.refused"


def test_the_page_of_a_gateway_is_no_wechat(wechat: Simulator, asked: Asked) -> None:
    wechat.fault("html", when="before", path="/cgi-bin/token")

    reason = asked()[Subject.WECHAT].found.facts["reason"]

    assert str(reason) == "transport.http_status"


def test_an_account_that_fails_keeps_no_other_from_being_asked(
    wechat: Simulator, here: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(
        "\n".join(
            f'[accounts.{one.name}]\nappid = "{one.appid}"\nappsecret = "{secret}"\n'
            f'api_base = "{wechat.url}"'
            for one, secret in ((MAIN, "f" * 32), (SHOP, SHOP.secret))
        ),
        encoding="ascii",
    )
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", str(file))

    checks = found(here)

    assert [(one.account, one.subject) for one in checks if one.level is Level.FAILED] == [
        (MAIN.name, Subject.TOKEN)
    ]
    assert {one.subject for one in checks if one.account == SHOP.name} == {
        Subject.TOKEN,
        Subject.WHITELIST,
        Subject.CALLS,
    }
    [wrong] = [one for one in checks if one.account == MAIN.name]
    assert wrong.fix is not None
    # Where the person finds the value that is wrong.
    assert EN(wrong.fix).splitlines()[-1].strip() == f"appsecret of [accounts.a] in {file}"


def test_without_redis_nothing_is_told_of_accounts(
    wechat: Simulator, here: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://{LOOPBACK}:{free_port()}/0")

    with pytest.raises(RedisAwayError):
        found(here)
